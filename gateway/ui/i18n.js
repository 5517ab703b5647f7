// Words and numbers in the reader's language. Each dictionary is one file: en.json, zh-TW.json.

export const LANGUAGES = { en: 'English', 'zh-TW': '繁體中文' };
let words = {};

export const language = () => document.documentElement.lang;

export async function loadLanguage(name) {
	words = await (await fetch(new URL(`${name}.json`, import.meta.url))).json();
	document.documentElement.lang = name;
}

export const knows = (key) => key in words;

/** The text of a key. `{name}` is replaced; `n` also chooses between key.one and key.other. */
export function t(key, values = {}) {
	const plural = `${key}.${new Intl.PluralRules(language()).select(values.n)}`;
	const text = words[plural] ?? words[key] ?? key;
	return text.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === 'number' ? number(values[name]) : values[name]));
}

function write(value, options) {
	return value == null || !Number.isFinite(value) ? '–' : new Intl.NumberFormat(language(), options).format(value);
}

const places = (digits) => ({ minimumFractionDigits: digits, maximumFractionDigits: digits });
export const number = (value, digits = 0) => write(value, places(digits));
export const percent = (value, digits = 0) => write(value, { style: 'percent', ...places(digits) });
export const signed = (value, digits = 2) => write(value, { signDisplay: 'exceptZero', ...places(digits) });
export const short = (value) => write(value, { maximumSignificantDigits: 3, notation: value && Math.abs(value) < 1e-3 ? 'scientific' : 'standard' });

export function duration(seconds) {
	if (!Number.isFinite(seconds)) return '–';
	const whole = Math.round(seconds);
	if (whole < 60) return t('time.seconds', { s: whole });
	if (whole < 3600) return t('time.minutes', { m: Math.floor(whole / 60), s: whole % 60 });
	return t('time.hours', { h: Math.floor(whole / 3600), m: Math.floor((whole % 3600) / 60) });
}

export function bytes(value) {
	const power = Math.min(3, Math.floor(Math.log2(Math.max(value, 1)) / 10));
	return `${write(value / 1024 ** power, { maximumFractionDigits: 1 })} ${['B', 'KiB', 'MiB', 'GiB'][power]}`;
}

/** Times of the API are UTC and say no zone. */
export const when = (time) => new Date(`${time}Z`).toLocaleString(language(), { dateStyle: 'medium', timeStyle: 'short' });
