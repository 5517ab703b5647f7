// The shell: routes, navigation, language, theme, the token, the connection.

import { Refusal, whenTokenIsNeeded } from './api.js';
import { onConnection } from './connection.js';
import { fill, h, s, say } from './dom.js';
import { LANGUAGES, language, loadLanguage, setLanguage, t } from './i18n.js';

const ROUTES = [
  [/^\/$/, () => import('./home.js'), 'data'],
  [/^\/data\/([^/]+)$/, () => import('./dataset.js'), 'data'],
  [/^\/train$/, () => import('./train.js'), 'data'],
  [/^\/jobs$/, () => import('./jobs.js'), 'jobs'],
  [/^\/jobs\/([^/]+)$/, () => import('./job.js'), 'jobs'],
];
const main = document.getElementById('main');
const notes = document.getElementById('notes');
let leaving = new AbortController();
let shown;

function parse() {
  const [path, query = ''] = decodeURI(location.hash.slice(1) || '/').split('?');
  return { path, query: new URLSearchParams(query) };
}

/** What a page gets: where it is, and how to keep its state in the address. */
function placeOf(path, match, query, signal) {
  const keep = (changes) => {
    for (const [name, value] of Object.entries(changes)) {
      if (value == null || value === '') query.delete(name);
      else query.set(name, value);
    }
    history.replaceState(null, '', `#${path}${query.size ? `?${query}` : ''}`);
    shown = location.hash;
  };
  return { id: match[1], query, keep, signal, note };
}

async function route({ refocus = true } = {}) {
  const { path, query } = parse();
  const found = ROUTES.map(([pattern, load, section]) => ({ match: pattern.exec(path), load, section })).find((r) => r.match);
  leaving.abort();
  leaving = new AbortController();
  shown = location.hash;
  const { signal } = leaving;
  if (!found) return missing();
  for (const link of document.querySelectorAll('#nav a')) {
    if (link.dataset.section === found.section) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  try {
    const page = await found.load();
    if (signal.aborted) return;
    document.title = `${t(page.title)} · Tally`;
    await page.show(main, placeOf(path, found.match, query, signal));
    if (refocus && !signal.aborted) {
      scrollTo(0, 0);
      main.focus({ preventScroll: true });
    }
  } catch (error) {
    if (!signal.aborted) failed(error);
  }
}

function missing() {
  fill(main, h('section.empty', h('h1', t('missing.title')), h('a.button', { href: '#/jobs' }, t('nav.jobs'))));
}

function failed(error) {
  const retry = h('button.button', { onclick: () => route() }, t('retry'));
  fill(main, h('section.empty', h('h1', t('failed.title')), h('p', error.message), retry));
  if (!(error instanceof Refusal)) throw error;
}

/** A line at the foot of the window, read out, that goes by itself. */
function note(text, action) {
  const line = h('p.note', text, action);
  notes.append(line);
  setTimeout(() => line.remove(), 8000);
}

function drawShell() {
  fill(
    document.getElementById('nav'),
    h('a', { href: '#/', 'data-section': 'data' }, t('nav.data')),
    h('a', { href: '#/jobs', 'data-section': 'jobs' }, t('nav.jobs')),
  );
  say(document.querySelector('.skip'), t('skip'));
  const other = Object.keys(LANGUAGES).find((name) => name !== language());
  fill(
    document.getElementById('tools'),
    h('button.quiet', { lang: other, onclick: () => changeLanguage(other) }, LANGUAGES[other]),
    themeButton(),
  );
}

async function changeLanguage(name) {
  await setLanguage(name);
  drawShell();
  await route({ refocus: false });
  document.querySelector('#tools button').focus();
}

const isDark = () => (document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';

function themeButton() {
  const icon = s('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' }, s('circle', { cx: 12, cy: 12, r: 8 }), s('path', { d: 'M12 4a8 8 0 0 1 0 16z', class: 'filled' }));
  const button = h('button.quiet.icon', { title: t('theme'), 'aria-label': t('theme'), 'aria-pressed': String(isDark()) }, icon);
  button.onclick = () => {
    document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
    localStorage.setItem('tally.theme', document.documentElement.dataset.theme);
    button.setAttribute('aria-pressed', String(isDark()));
    dispatchEvent(new Event('themechange'));
  };
  return button;
}

/** Resolves to the token that the reader gives. */
function askForToken(refused) {
  return new Promise((resolve) => {
    const input = h('input', { type: 'password', id: 'token', required: true, autocomplete: 'off' });
    const dialog = h(
      'dialog',
      { oncancel: (event) => event.preventDefault(), 'aria-labelledby': 'token-title' },
      h('form', { method: 'dialog' }, h('h2', { id: 'token-title' }, t('token.title')), h('p', t(refused ? 'token.refused' : 'token.help')), h('label', { htmlFor: 'token' }, t('token.label')), input, h('button.button.main', t('token.ok'))),
    );
    dialog.onclose = () => {
      dialog.remove();
      resolve(input.value.trim());
    };
    document.body.append(dialog);
    dialog.showModal();
  });
}

function showConnection(lost) {
  document.getElementById('lost')?.remove();
  if (lost) document.body.append(h('p.lost', { id: 'lost', role: 'alert' }, h('span.spinner'), t('connection.lost')));
  else note(t('connection.back'));
}

whenTokenIsNeeded(askForToken);
onConnection(showConnection);
addEventListener('hashchange', () => location.hash !== shown && route());
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => dispatchEvent(new Event('themechange')));
// A dropped file beside its field must not replace the page.
for (const kind of ['dragover', 'drop']) addEventListener(kind, (event) => event.preventDefault());
await loadLanguage(language());
drawShell();
await route({ refocus: false });
