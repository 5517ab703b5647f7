// Runs before the first paint, so that theme and language do not change before one's eyes.
(() => {
	const root = document.documentElement;
	root.style.colorScheme = localStorage['tally.theme'] ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
	const preferred = navigator.languages.find((name) => /^(zh|en)/i.test(name));
	root.lang = localStorage['tally.language'] ?? (/^zh/i.test(preferred) ? 'zh-TW' : 'en');
})();
