// Words and numbers in the reader's language. Each dictionary is one file: en.json, zh-TW.json.

export const LANGUAGES = { en: 'English', 'zh-TW': '繁體中文' };
let words = {};

export const language = () => document.documentElement.lang;

export async function loadLanguage(name) {
  const response = await fetch(new URL(`${name}.json`, import.meta.url));
  words = await response.json();
  document.documentElement.lang = name;
}

export function setLanguage(name) {
  localStorage.setItem('tally.language', name);
  return loadLanguage(name);
}

export const knows = (key) => key in words;

/** The text of a key. `{name}` is replaced; `n` also chooses between key.one and key.other. */
export function t(key, values = {}) {
  const plural = 'n' in values && `${key}.${new Intl.PluralRules(language()).select(values.n)}`;
  const text = words[plural] ?? words[key] ?? words[`${key}.other`] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === 'number' ? number(values[name]) : values[name]));
}

const formats = new Map();
function format(options) {
  const key = language() + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(language(), options));
  return formats.get(key);
}

const missing = (value) => value == null || !Number.isFinite(value);

export const number = (value, digits = 0) =>
  missing(value) ? '–' : format({ minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

export const short = (value) =>
  missing(value) ? '–' : value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(1) : format({ maximumSignificantDigits: 3 }).format(value);

export const percent = (value, digits = 0) =>
  missing(value) ? '–' : format({ style: 'percent', minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

export const signed = (value, digits = 2) =>
  missing(value) ? '–' : format({ signDisplay: 'exceptZero', minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

export function duration(seconds) {
  if (missing(seconds)) return '–';
  const whole = Math.round(seconds);
  if (whole < 60) return t('time.seconds', { s: whole });
  if (whole < 3600) return t('time.minutes', { m: Math.floor(whole / 60), s: whole % 60 });
  return t('time.hours', { h: Math.floor(whole / 3600), m: Math.floor((whole % 3600) / 60) });
}

export function bytes(value) {
  const power = Math.min(3, Math.floor(Math.log2(Math.max(value, 1)) / 10));
  return `${format({ maximumFractionDigits: power ? 1 : 0 }).format(value / 1024 ** power)} ${['B', 'KiB', 'MiB', 'GiB'][power]}`;
}

/** Times of the API are UTC and say no zone. */
export const when = (time) =>
  new Date(`${time}Z`).toLocaleString(language(), { dateStyle: 'medium', timeStyle: 'short' });
