// A job before it starts: preset, settings, preflight. The address holds all.

import { get, post } from './api.js';
import { back, button, bytes, duration, field, figure, fileOptions, fill, h, number, percent, problems, t } from './parts.js';
import { loadFields, readRewards } from './settings.js';

export async function show(main, place) {
	const [files, choices, models, fields] = await Promise.all([get('files'), get('ui/presets.json'), get('models').catch(() => []), loadFields()]);
	if (!files.length) throw new Error(t('dataset.missing'));
	const file = files.find((one) => one.file_id === place.query.get('file'));
	const form = { ...place, choices, fields, settings: h('div'), outcome: h('div', { ariaLive: 'polite' }) };
	const asked = ask(form, files, file, models);
	const body = () => ({ ...asked.read(), ...config(form) });
	const start = h('button.button.main', t('train.start'));
	const check = button('train.check', () => check.form.reportValidity() && busy(check, form, () => preflight(form, body())));
	const begin = (event) => {
		event.preventDefault();
		// Sent again after a lost connection it must not be a second job.
		const key = { 'Idempotency-Key': `${Date.now()}-${Math.random()}` };
		busy(start, form, async () => (location.hash = `#/jobs/${(await post('train', body(), key)).job_id}`));
	};
	fill(main, file ? back(`#/data/${file.file_id}`, file.filename) : back('#/', t('nav.data')), h('h1', t('train.title')),
		h('form.train', { onsubmit: begin }, presets(form), asked.fields, form.settings, h('div.actions', start, check), form.outcome));
	drawSettings(form);
}

/** What a job is of: fields, and what of the request they say. */
function ask({ query, keep }, files, file, models) {
	const control = (tag, name, key, properties, ...options) => h(tag, { name, onchange: (event) => keep({ [key]: event.target.value }), ...properties }, options);
	const option = (value, text, selected) => h('option', { value, selected }, text);
	const wanted = query.get('model');
	// The first is what is taken where none is named.
	const bases = models.map(({ name, licence }, i) => option(i ? name : '', licence ? `${name} · ${licence.title}` : name, name === wanted));
	if (wanted && !models.some(({ name }) => name === wanted)) bases.push(option(wanted, wanted, true));
	const controls = {
		name: control('input', 'job_name', 'name', { maxLength: 200, required: true, value: query.get('name') ?? file?.filename.replace(/\.zip$/i, '') ?? '' }),
		data: control('select', 'data_file_id', 'file', { required: true }, !file && option('', t('train.choose')), fileOptions(files, file?.file_id)),
		model: control('select', 'model', 'model', {}, bases),
		adapter: control('input', 'adapter_job_id', 'adapter', { value: query.get('adapter') ?? '' }),
		heldOut: control('select', 'evaluation_file_id', 'evaluation', {}, option('', t('train.heldOutAuto')), fileOptions(files, query.get('evaluation'))),
		rewards: control('input', 'rewards', 'rewards', { value: query.get('rewards') ?? '', placeholder: 'progressive_count 1' }),
	};
	const read = () => {
		const { name, rewards, ...chosen } = controls;
		const named = Object.values(chosen).filter((one) => one.value).map((one) => [one.name, one.value]);
		return { job_name: name.value, ...Object.fromEntries(named), ...(rewards.value.trim() && { rewards: readRewards(rewards.value) }) };
	};
	const fields = Object.entries(controls).filter(([name]) => name !== 'model' || bases.length).map(([name, one]) => field(t(`train.${name}`), one, h('small', t(`train.${name}.help`))));
	return { read, fields: h('div.halves', fields) };
}

async function busy(pressed, form, work) {
	pressed.disabled = true;
	await work().catch((error) => fill(form.outcome, problems(error)));
	pressed.disabled = false;
}

const preset = (form) => form.query.get('preset') ?? 'balanced';
const startOf = (form, { group, name, schema }) => form.choices.presets[preset(form)]?.[group]?.[name] ?? schema.default;

function valueOf(form, one) {
	const text = form.query.get(one.key);
	if (text === null) return startOf(form, one);
	return one.schema.type === 'boolean' ? text === 'true' : one.schema.enum ? text : Number(text);
}

function config(form) {
	const groups = {};
	for (const one of form.fields) (one.group ? (groups[one.group] ??= {}) : groups)[one.name] = valueOf(form, one);
	return groups;
}

function presets(form) {
	const choose = (name) => () => {
		form.keep({ ...Object.fromEntries(form.fields.map((one) => [one.key, null])), preset: name });
		drawSettings(form);
	};
	return h('fieldset.presets', h('legend', t('train.presets')), Object.keys(form.choices.presets).map((name) =>
		h('label.preset', h('input', { type: 'radio', name: 'preset', checked: preset(form) === name, onchange: choose(name) }), h('strong', t(`preset.${name}`)), h('span', t(`preset.${name}.help`)))));
}

function drawSettings(form) {
	const [documented, others] = [true, false].map((wanted) => form.fields.filter((one) => form.choices.documented.includes(one.name) === wanted));
	const open = others.some((one) => form.query.has(one.key));
	fill(form.settings, h('h2', t('train.settings')), h('div.fields', documented.map((one) => setting(form, one))),
		h('details', { open }, h('summary', t('train.more')), h('div.fields', others.map((one) => setting(form, one)))));
}

function setting(form, one) {
	const { key, name, schema } = one;
	const value = valueOf(form, one);
	const low = schema.minimum ?? schema.exclusiveMinimum;
	const high = schema.maximum ?? schema.exclusiveMaximum;
	const input = schema.enum
		? h('select', schema.enum.map((choice) => h('option', { selected: choice === value }, choice)))
		: schema.type === 'boolean'
			? h('input', { type: 'checkbox', checked: value })
			: h('input', { type: 'number', required: true, value, min: low, max: high, step: schema.type === 'integer' ? 1 : 'any' });
	input.name = key;
	const row = field([t(`set.${name}`), h('code', name)], input,
		h('small', t(`help.${name}`), ' ', low != null && t('train.range', { low: `${low}`, high: `${high}`, start: `${schema.default}` })));
	const mark = () => row.classList.toggle('changed', form.query.has(key));
	input.onchange = () => {
		const text = String(schema.type === 'boolean' ? input.checked : input.value);
		form.keep({ [key]: text === String(startOf(form, one)) ? null : text });
		mark();
	};
	mark();
	return row;
}

async function preflight(form, body) {
	fill(form.outcome, h('p.callout', h('span.spinner'), t('check.running')));
	const { ok, findings, data, base, steps, memory, time, prompt_example: prompt } = await post('train?dry_run=true', body);
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
		h('details', h('summary', t('check.prompt')), h('pre', prompt))));
}

function findingLine(form, { severity, message, suggestion }) {
	const apply = () => {
		const changes = Object.entries(suggestion).flatMap(([group, values]) =>
			Object(values) === values ? Object.entries(values).map(([name, value]) => [`${group}.${name}`, value]) : [[group, values]]);
		form.keep(Object.fromEntries(changes));
		drawSettings(form);
		form.note(t('check.applied'));
	};
	return h('li', { 'data-severity': severity }, h('b', t(`severity.${severity}`)), ' ', message, ' ',
		suggestion && button('check.apply', apply));
}
