// Runs before the first paint, so that neither theme nor language changes under the reader's eyes.
(() => {
	const root = document.documentElement;
	const theme = localStorage.getItem('tally.theme');
	if (theme) root.dataset.theme = theme;
	const preferred = navigator.languages.find((name) => /^(zh|en)/i.test(name)) ?? 'en';
	root.lang = localStorage.getItem('tally.language') ?? (/^zh/i.test(preferred) ? 'zh-TW' : 'en');
})();
