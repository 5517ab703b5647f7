// The shell: routes, navigation, language, theme, the token, the connection.

import { LANGUAGES, button, fill, h, language, loadLanguage, note, say, shell, t } from './parts.js';

// Of an address its module, its section, its title.
const ROUTES = {
	'': ['home', 'data'], 'data/': ['dataset', 'data'], train: ['train', 'data', 'train.title'], jobs: ['jobs', 'jobs'],
	runs: ['runs', 'jobs', 'runs.title'], 'jobs/': ['job', 'jobs'], ask: ['ask', 'ask'],
};
const element = (id) => document.getElementById(id);
const main = element('main');
let leaving, shown;

/** The address also holds the state of its page: see `keep`. */
async function route() {
	shown = location.hash;
	const [path, search] = (shown || '#/').split('?');
	const query = new URLSearchParams(search);
	leaving?.abort();
	leaving = new AbortController();
	const { signal } = leaving;
	shell.signal = signal;
	const [, first = '', id] = path.split('/');
	const [name, section, title = `nav.${section}`] = ROUTES[id ? `${first}/` : first] ?? [];
	if (!name) return fill(main, h('h1', t('missing.title')));
	for (const link of document.querySelectorAll('#nav a')) link.ariaCurrent = link.dataset.section === section ? 'page' : null;
	const keep = (changes) => {
		for (const [key, value] of Object.entries(changes)) {
			if ((value ?? '') === '') query.delete(key);
			else query.set(key, value);
		}
		shown = `${path}${query.size ? `?${query}` : ''}`;
		history.replaceState(null, '', shown);
	};
	try {
		const page = await import(`./${name}.js`);
		if (signal.aborted) return;
		document.title = `${t(title)} · Tally`;
		await page.show(main, { id, query, keep, signal });
	} catch (error) {
		if (signal.aborted) return;
		fill(main, h('h1', t('failed.title')), h('p', error.message), h('p', button('retry', route)));
		if (!error.status) console.error(error);
	}
}

async function follow() {
	if (location.hash === shown) return;
	await route();
	scrollTo(0, 0);
	main.focus({ preventScroll: true });
}

function drawShell() {
	for (const node of document.querySelectorAll('[data-text]')) say(node, t(node.dataset.text));
	const [words, theme] = [element('language'), element('theme')];
	words.lang = Object.keys(LANGUAGES).find((name) => name !== language());
	say(words, LANGUAGES[words.lang]);
	words.onclick = async () => {
		localStorage['tally.language'] = words.lang;
		await loadLanguage(words.lang);
		drawShell();
		await route();
	};
	theme.title = theme.ariaLabel = t('theme');
	theme.onclick = () => {
		const { style } = document.documentElement;
		style.colorScheme = localStorage['tally.theme'] = style.colorScheme === 'dark' ? 'light' : 'dark';
		dispatchEvent(new Event('themechange'));
	};
}

shell.askForToken = (refused) =>
	new Promise((resolve) => {
		const dialog = element('token');
		const input = dialog.querySelector('input');
		say(element('token-why'), t(refused ? 'token.refused' : 'token.help'));
		input.value = '';
		dialog.oncancel = (event) => event.preventDefault();
		dialog.onclose = () => resolve(input.value.trim());
		dialog.showModal();
	});

shell.onConnection = (lost) => {
	element('lost').hidden = !lost;
	if (!lost) note(t('connection.back'));
};

addEventListener('hashchange', follow);
// A file that is dropped beside its field must not replace the page.
window.ondragover = window.ondrop = (event) => event.preventDefault();
await loadLanguage(language());
drawShell();
await route();
