// Words and numbers in the reader's language.

export const LANGUAGES = { en: 'English', 'zh-TW': '繁體中文' };
let words = {};

export const language = () => document.documentElement.lang;

export async function loadLanguage(name) {
	words = await (await fetch(new URL(`${name}.json`, import.meta.url))).json();
	document.documentElement.lang = name;
}

export const named = (prefix) => Object.keys(words).filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));

/** Replaces `{name}`; `n` also chooses between key.one and key.other. */
export function t(key, values = {}) {
	const plural = `${key}.${new Intl.PluralRules(language()).select(values.n)}`;
	const text = words[plural] ?? words[key] ?? key;
	return text.replace(/\{(\w+)\}/g, (whole, name) => (typeof values[name] === 'number' ? number(values[name]) : values[name] ?? whole));
}

const write = (value, options) => (Number.isFinite(value) ? new Intl.NumberFormat(language(), options).format(value) : '–');
export const byName = (values, writer) => Object.entries(values).map(([name, value]) => `${name} ${writer(value)}`).join(', ') || '–';

const places = (digits) => ({ minimumFractionDigits: digits, maximumFractionDigits: digits });
export const number = (value) => write(value, places(0));
export const percent = (value, digits = 0) => write(value, { style: 'percent', ...places(digits) });
const THREE = { maximumSignificantDigits: 3 };
const COMPACT = { ...THREE, notation: 'compact' };
/** What a model brought about: one answer of 11111118 makes any mean enormous. */
export const measured = (value, digits = 2, signDisplay = 'auto') =>
	write(value, { signDisplay, ...(Math.abs(value) < (digits ? 1e3 : 1e5) ? places(digits) : COMPACT) });
export const signed = (value, digits) => measured(value, digits, 'exceptZero');
export const short = (value) => write(value, Math.abs(value) < 1e4 ? { ...THREE, notation: value && Math.abs(value) < 1e-3 ? 'scientific' : 'standard' } : COMPACT);

export function duration(seconds) {
	if (!(seconds >= 0)) return '–';
	const [big, small, unit] = seconds < 3600 ? ['minutes', 'seconds', 1] : ['hours', 'minutes', 60];
	const whole = Math.round(seconds / unit);
	return new Intl.DurationFormat(language(), { style: 'short' }).format({ [big]: Math.floor(whole / 60), [small]: whole % 60 });
}

export const bytes = (value) => write(value / 1e6, { ...THREE, style: 'unit', unit: 'megabyte' });

// The API's times are UTC.
const read = (time) => (time ? new Date(`${time}Z`) : new Date());
export const ranFor = (job) => job.started_at && duration((read(job.ended_at) - read(job.started_at)) / 1000);
export const when = (time) => read(time).toLocaleString(language(), { dateStyle: 'medium', timeStyle: 'short' });
