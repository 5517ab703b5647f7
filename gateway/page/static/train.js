// A job before it starts: what it is of, preset, settings, preflight. The address holds all.

import {
	adapterOptions, busy, button, bytes, duration, field, figure, fileOptions, fill, folded, get, h, jobsWith, named, note, number, option, percent, post,
	problems, section, select, t, tick, uploads,
} from './parts.js';
import { describe, flat, loadFields, tagsOf } from './settings.js';

export async function show(main, place) {
	const lists = [get('models'), get('rewards'), jobsWith(place.query.get('adapter'))].map((list) => list.catch(() => []));
	const [files, choices, settings, models, rewards, jobs] = await Promise.all([uploads(), get('ui/presets.json'), loadFields(), ...lists]);
	if (!files.data[0]) throw new Error(t('dataset.missing'));
	const file = files.data.find((one) => one.file_id === place.query.get('data_file_id'));
	const parted = settings.map((one) => ({ part: one.group === 'prompt' ? 'prompt' : choices.documented.includes(one.name) ? 'documented' : 'others', ...one }));
	const fields = [...subject(file, files, models, jobs), ...rewardFields(place, rewards), ...parted];
	const form = { ...place, choices, fields, settings: h('div.stack'), outcome: h('div', { ariaLive: 'polite' }) };
	const fail = (error) => fill(form.outcome, problems(error));
	const start = h('button.button.main', t('train.start'));
	const check = button('train.check', () => check.form.reportValidity() && busy(check, () => preflight(form), fail));
	const begin = (event) => {
		event.preventDefault();
		// Sent again after a lost connection it must not be a second job.
		const key = { 'Idempotency-Key': `${Date.now()}-${Math.random()}` };
		busy(start, async () => {
			location.hash = `#/jobs/${(await post('train', request(form), key)).job_id}`;
		}, fail);
	};
	fill(main, h('h1', t('train.title')),
		h('form.train', { onsubmit: begin }, presets(form), form.settings, h('div.actions', start, check), form.outcome));
	drawSettings(form);
}

function subject(file, { data, adapter }, models, jobs) {
	const one = (name, schema, options) => ({ ...describe('', name, { type: 'string', default: '', ...schema }), part: 'subject', options });
	// The first is what is taken where none is named.
	const bases = models.map(({ name, licence }, i) => option(i ? name : '', licence ? `${name} · ${licence.title}` : name));
	const begun = [option('', t('train.adapterNone')), ...adapter.map(({ file_id: id, filename }) => option(`${id}:upload`, filename)), ...adapterOptions(jobs)];
	return [
		one('job_name', { maxLength: 200, required: true, default: file?.filename.replace(/\.zip$/i, '') ?? '' }),
		one('data_file_id', { required: true }, [...(file ? [] : [option('', t('train.choose'))]), ...fileOptions(data)]),
		one('model', {}, bases[0] ? bases : [option('', '–')]),
		one('adapter', {}, begun),
		one('evaluation_file_id', {}, [option('', t('train.evaluationNone')), ...fileOptions(data)]),
		one('tags'),
	];
}

/** A weight for each reward that there is, and for each that the address names. */
function rewardFields({ query }, listed) {
	const unlisted = [...query.keys()].filter((key) => key.startsWith('rewards.')).map((key) => ({ name: key.slice(8) }));
	const rewards = Object.fromEntries([...unlisted, ...listed].map((one) => [one.name, one]));
	return Object.values(rewards).map(({ name, description = '', fault }) => ({
		...describe('rewards', name, { type: 'number', minimum: -1e6, maximum: 1e6 }), part: 'rewards', label: t('train.weight'),
		help: fault ? `${name} ${fault}` : named('reward.').includes(name) ? t(`reward.${name}`) : description,
	}));
}

const preset = (form) => form.query.get('preset') ?? 'balanced';
const startOf = (form, { group, name, schema }) => form.choices.presets[preset(form)]?.[group]?.[name] ?? schema.default;

function valueOf(form, one) {
	const text = form.query.get(one.key);
	if (text === null) return startOf(form, one);
	return { boolean: text === 'true', string: text }[one.schema.type] ?? Number(text);
}

const isChanged = (form, one) => valueOf(form, one) !== startOf(form, one);

function request(form) {
	const groups = { rewards: {} };
	// An adapter has a rank, a scale and a prompt, which hold unless others are named.
	const brought = form.query.has('adapter') ? ['lora_config', 'prompt'] : [];
	for (const one of form.fields.filter(({ group, key }) => !brought.includes(group) || form.query.has(key))) {
		const value = valueOf(form, one) ?? '';
		if (value !== '') (one.group ? (groups[one.group] ??= {}) : groups)[one.name] = value;
	}
	const { adapter = '', tags = '', rewards, ...body } = groups;
	const [id, which] = adapter.split(':');
	if (id) Object.assign(body, which === 'upload' ? { adapter_file_id: id } : { adapter_job_id: id, adapter_checkpoint: which });
	return { ...body, tags: tagsOf(tags), rewards: Object.entries(rewards).map(([name, weight]) => ({ name, weight })) };
}

function presets(form) {
	const choose = (name) => () => {
		const set = form.fields.filter(({ part }) => ['documented', 'others'].includes(part));
		form.keep({ ...Object.fromEntries(set.map(({ key }) => [key, null])), preset: name });
		drawSettings(form);
	};
	return h('fieldset.presets', h('legend', t('train.presets')), Object.keys(form.choices.presets).map((name) =>
		tick(t(`preset.${name}`), t(`preset.${name}.help`), { type: 'radio', name: 'preset', checked: preset(form) === name, onchange: choose(name) }).node));
}

function drawSettings(form) {
	const parts = Object.groupBy(form.fields, ({ part }) => part);
	const draw = (part) => h('div.fields', parts[part]?.map((one) => setting(form, one)));
	const fold = (part) => folded(t(`train.${part}`), parts[part]?.some((one) => isChanged(form, one)), draw(part));
	fill(form.settings, draw('subject'), fold('rewards'), fold('prompt'), section('train.settings', draw('documented')), fold('others'));
}

function setting(form, one) {
	const { key, name, label, help, options, schema: { type, ...schema } } = one;
	const value = valueOf(form, one) ?? '';
	const low = schema.minimum ?? schema.exclusiveMinimum;
	const high = schema.maximum ?? schema.exclusiveMaximum;
	const { required, pattern, maxLength } = schema;
	const choices = options ?? schema.enum?.map((choice) => option(choice, choice));
	const input = choices
		? select({ value, required }, choices)
		: type === 'string'
			? h(maxLength > 1000 ? 'textarea' : 'input', { value, maxLength, pattern, required })
			: h('input', type === 'boolean' ? { type: 'checkbox', checked: value } : { type: 'number', required: 'default' in schema, value, min: low, max: high, step: type === 'integer' ? 1 : 'any' });
	input.name = key;
	const row = field([label, h('code', name)], input,
		h('small', help, ' ', low != null && 'default' in schema && t('train.range', { low: `${low}`, high: `${high}`, start: `${schema.default}` })));
	const mark = () => row.classList.toggle('changed', isChanged(form, one));
	input.onchange = () => {
		const text = String(type === 'boolean' ? input.checked : input.value);
		form.keep({ [key]: text === String(startOf(form, one)) ? null : text });
		mark();
	};
	mark();
	return row;
}

async function preflight(form) {
	fill(form.outcome, h('p.callout', t('check.running')));
	const { ok, findings, data, base, steps, memory, time, prompt_example: prompt } = await post('train?dry_run=true', request(form));
	const most = Math.max(...data.counts.map(({ rows }) => rows));
	fill(form.outcome, h('section.panel', h('h2', t(ok ? 'check.ok' : 'check.bad')), h('ul', findings.map((one) => findingLine(form, one))),
		h('dl.figures',
			figure('check.rows', number(data.training_rows), t('check.heldOut', { n: data.held_out_rows })),
			figure('check.steps', number(steps.total_steps), t('check.each', { n: steps.completions_per_step })),
			figure('check.time', duration(time?.seconds), time?.basis),
			memory && figure('check.memory', bytes(memory.estimated_bytes), t('check.of', { size: bytes(memory.available_bytes) })),
			base && figure('check.base', percent(base.exact_rate), t('check.sample', { n: base.num_samples }))),
		h('figure', h('figcaption.muted', t('check.counts')), h('ol.histogram', data.counts.map(({ count, rows }) =>
			h('li', { title: t('rows', { n: rows }), style: { '--share': rows / most } }, number(count))))),
		folded(t('check.prompt'), true, h('pre', { tabIndex: 0 }, prompt))));
}

function findingLine(form, { severity, message, suggestion }) {
	const apply = () => {
		form.keep(Object.fromEntries(flat(suggestion)));
		drawSettings(form);
		note(t('check.applied'));
	};
	return h('li', { 'data-severity': severity }, h('b', t(`severity.${severity}`)), ' ', message, ' ',
		suggestion && button('check.apply', apply));
}
