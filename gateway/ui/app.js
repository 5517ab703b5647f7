// The shell: routes, navigation, language, theme, the token, the connection.

import { shell } from './api.js';
import { fill, h, s, say } from './dom.js';
import { LANGUAGES, language, loadLanguage, t } from './i18n.js';

const ROUTES = [
	[/^\/$/, 'home', 'data'],
	[/^\/data\/([^/]+)$/, 'dataset', 'data'],
	[/^\/train$/, 'train', 'data'],
	[/^\/jobs$/, 'jobs', 'jobs'],
	[/^\/jobs\/([^/]+)$/, 'job', 'jobs'],
];
const root = document.documentElement;
const element = (id) => document.getElementById(id);
const main = element('main');
let leaving;
let shown;

/** Shows the page that the address names. It keeps its state there too: see `keep`. */
async function route() {
	shown = location.hash;
	const [path, search] = (shown.slice(1) || '/').split('?');
	const query = new URLSearchParams(search);
	leaving?.abort();
	leaving = new AbortController();
	const { signal } = leaving;
	shell.signal = signal;
	const [pattern, name, section] = ROUTES.find(([candidate]) => candidate.test(path)) ?? [];
	if (!name) return fill(main, h('h1', t('missing.title')));
	for (const link of document.querySelectorAll('#nav a')) link.ariaCurrent = link.dataset.section === section ? 'page' : null;
	const keep = (changes) => {
		for (const [key, value] of Object.entries(changes)) {
			if (value == null || value === '') query.delete(key);
			else query.set(key, value);
		}
		shown = `#${path}${query.size ? `?${query}` : ''}`;
		history.replaceState(null, '', shown);
	};
	try {
		const page = await import(`./${name}.js`);
		document.title = `${t(page.title)} · Tally`;
		await page.show(main, { id: pattern.exec(path)[1], query, keep, signal, note });
	} catch (error) {
		if (signal.aborted) return;
		fill(main, h('h1', t('failed.title')), h('p', error.message), h('p', h('button.button', { onclick: route }, t('retry'))));
		if (!error.status) console.error(error);
	}
}

async function follow() {
	if (location.hash === shown) return;
	await route();
	scrollTo(0, 0);
	main.focus({ preventScroll: true });
}

/** A line at the foot of the window, read out, that goes by itself. */
function note(text) {
	const line = h('p.note', text);
	element('notes').append(line);
	setTimeout(() => line.remove(), 8000);
}

function drawShell() {
	const link = (href, section) => h('a', { href, 'data-section': section }, t(`nav.${section}`));
	fill(element('nav'), link('#/', 'data'), link('#/jobs', 'jobs'));
	say(document.querySelector('.skip'), t('skip'));
	const other = Object.keys(LANGUAGES).find((name) => name !== language());
	const change = async () => {
		localStorage.setItem('tally.language', other);
		await loadLanguage(other);
		drawShell();
		element('language').focus();
		await route();
	};
	fill(element('tools'), h('button.quiet', { id: 'language', lang: other, onclick: change }, LANGUAGES[other]), themeButton());
}

function themeButton() {
	const isDark = () => (root.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
	const icon = s('svg', { viewBox: '0 0 24 24' }, s('circle', { cx: 12, cy: 12, r: 8 }), s('path', { d: 'M12 4a8 8 0 0 1 0 16z', fill: 'currentColor' }));
	const button = h('button.quiet.icon', { title: t('theme'), ariaLabel: t('theme'), ariaPressed: isDark() }, icon);
	button.onclick = () => {
		root.dataset.theme = localStorage['tally.theme'] = isDark() ? 'light' : 'dark';
		button.ariaPressed = isDark();
		dispatchEvent(new Event('themechange'));
	};
	return button;
}

shell.askForToken = (refused) =>
	new Promise((resolve) => {
		const input = h('input', { type: 'password', required: true });
		const form = h('form', { method: 'dialog' }, h('h2', t('token.title')), h('p', t(refused ? 'token.refused' : 'token.help')),
			h('label', t('token.label'), input), h('button.button.main', t('token.ok')));
		const dialog = h('dialog', { ariaLabel: t('token.title'), oncancel: (event) => event.preventDefault() }, form);
		form.onsubmit = () => {
			dialog.remove();
			resolve(input.value.trim());
		};
		document.body.append(dialog);
		dialog.showModal();
	});

shell.onConnection = (lost) => {
	element('lost')?.remove();
	if (lost) document.body.append(h('p.lost', { id: 'lost', role: 'alert' }, h('span.spinner'), t('connection.lost')));
	else note(t('connection.back'));
};

addEventListener('hashchange', follow);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => dispatchEvent(new Event('themechange')));
// A file that is dropped beside its field must not replace the page.
for (const kind of ['dragover', 'drop']) addEventListener(kind, (event) => event.preventDefault());
await loadLanguage(language());
drawShell();
await route();
