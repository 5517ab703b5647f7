// A job before it starts: preset, settings with their meaning, preflight. The address holds it all.

import { get, post } from './api.js';
import { fill, h, say } from './dom.js';
import { bytes, duration, knows, number, percent, t } from './i18n.js';
import { back, figure, problems } from './parts.js';
import { DOCUMENTED, PRESETS } from './presets.js';

export const title = 'train.title';
const GROUPS = { training_config: 'TrainingConfig', lora_config: 'LoraConfig' };

export async function show(main, place) {
  const [files, schema] = await Promise.all([get('files', place.signal), get('openapi.json', place.signal)]);
  const file = files.find((one) => one.file_id === place.query.get('file'));
  if (!file) throw new Error(t('dataset.missing'));
  const form = { place, file, fields: fieldsOf(schema.components.schemas), outcome: h('div', { 'aria-live': 'polite' }) };
  const base = file.filename.replace(/\.zip$/i, '');
  const name = h('input', { id: 'name', maxLength: 200, required: true, value: place.query.get('name') ?? base });
  name.oninput = () => place.keep({ name: name.value === base ? null : name.value });
  form.name = name;
  const settings = h('div.settings');
  const start = h('button.button.main', { type: 'submit' }, t('train.start'));
  const check = h('button.button', { type: 'button', onclick: () => preflight(form, settings, check) }, t('train.check'));
  fill(
    main,
    back(`#/data/${file.file_id}`, file.filename),
    h('h1', t('train.title')),
    h('form.train', { onsubmit: (event) => { event.preventDefault(); begin(form, start); } },
      h('label.field', { htmlFor: 'name' }, h('span.label', t('train.name')), name),
      presets(form, settings), heldOut(form, files), settings,
      form.outcome, h('div.actions', start, check)),
  );
  drawSettings(form, settings);
}

/** The settings, their defaults and ranges, as the server tells them. */
function fieldsOf(schemas) {
  return Object.entries(GROUPS).flatMap(([group, model]) =>
    Object.entries(schemas[model].properties).map(([name, schema]) => ({ group, name, key: `${group}.${name}`, schema })));
}

const preset = (form) => form.place.query.get('preset') ?? 'balanced';

function startOf(form, field) {
  return PRESETS[preset(form)]?.[field.group]?.[field.name] ?? field.schema.default;
}

function valueOf(form, field) {
  const text = form.place.query.get(field.key);
  if (text === null) return startOf(form, field);
  return field.schema.type === 'boolean' ? text === 'true' : field.schema.enum ? text : Number(text);
}

function presets(form, settings) {
  const choose = (name) => () => {
    const cleared = Object.fromEntries(form.fields.map((field) => [field.key, null]));
    form.place.keep({ ...cleared, preset: name === 'balanced' ? null : name });
    drawSettings(form, settings);
  };
  return h('fieldset.presets', h('legend', t('train.presets')), Object.keys(PRESETS).map((name) =>
    h('label.preset', h('input', { type: 'radio', name: 'preset', value: name, checked: preset(form) === name, onchange: choose(name) }),
      h('strong', t(`preset.${name}`)), h('span', t(`preset.${name}.help`)))));
}

function heldOut(form, files) {
  const select = h('select', { id: 'held-out', onchange: () => form.place.keep({ evaluation: select.value }) },
    h('option', { value: '' }, t('train.heldOutAuto')),
    files.map((file) => h('option', { value: file.file_id, selected: file.file_id === form.place.query.get('evaluation') }, `${file.filename} · ${t('rows', { n: file.csv_rows })}`)));
  return h('label.field', { htmlFor: 'held-out' }, h('span.label', t('train.heldOut')), select, h('small', t('train.heldOutHelp')));
}

function drawSettings(form, host) {
  const shown = (names) => names.map((field) => fieldRow(form, field));
  const documented = DOCUMENTED.map((name) => form.fields.find((field) => field.name === name)).filter(Boolean);
  const others = form.fields.filter((field) => !DOCUMENTED.includes(field.name));
  fill(
    host,
    h('h2', t('train.settings')),
    h('div.fields', shown(documented)),
    h('details', { open: others.some((field) => form.place.query.has(field.key)) }, h('summary', t('train.more')), h('div.fields', shown(others))),
  );
}

function fieldRow(form, field) {
  const { key, name, schema } = field;
  const options = { id: key, 'aria-describedby': `${key}-help` };
  const value = valueOf(form, field);
  const label = h('span.label', knows(`set.${name}`) ? t(`set.${name}`) : name, h('code', name));
  const help = h('small', { id: `${key}-help` }, knows(`help.${name}`) ? t(`help.${name}`) : schema.description, ' ', h('span.range', rangeText(schema)));
  let input;
  if (schema.type === 'boolean') input = h('input.switch', { ...options, type: 'checkbox', checked: value });
  else if (schema.enum) input = h('select', options, schema.enum.map((one) => h('option', { value: one, selected: one === value }, one)));
  else {
    input = h('input', { ...options, type: 'number', required: true, value, step: schema.type === 'integer' ? 1 : 'any' });
    input.min = schema.minimum ?? schema.exclusiveMinimum ?? '';
    input.max = schema.maximum ?? schema.exclusiveMaximum ?? '';
  }
  const row = h('label.field', { htmlFor: key }, label, input, help);
  input.onchange = () => {
    const text = String(schema.type === 'boolean' ? input.checked : input.value);
    form.place.keep({ [key]: text === String(startOf(form, field)) ? null : text });
    row.classList.toggle('changed', form.place.query.has(key));
  };
  row.classList.toggle('changed', form.place.query.has(key));
  return row;
}

function rangeText(schema) {
  if (schema.type === 'boolean' || schema.enum) return '';
  const low = schema.minimum ?? `> ${schema.exclusiveMinimum}`;
  const high = schema.maximum ?? `< ${schema.exclusiveMaximum}`;
  return t('train.range', { low: String(low), high: String(high), start: String(schema.default) });
}

function body(form) {
  const config = Object.fromEntries(Object.keys(GROUPS).map((group) => [group, {}]));
  for (const field of form.fields) config[field.group][field.name] = valueOf(form, field);
  const evaluation = form.place.query.get('evaluation');
  return { job_name: form.name.value, data_file_id: form.file.file_id, ...config, ...(evaluation && { evaluation_file_id: evaluation }) };
}

async function begin(form, start) {
  start.disabled = true;
  // A request that is sent again, after a lost connection, must not be a second job.
  form.key ??= crypto.randomUUID?.() ?? String(Math.random());
  try {
    const job = await post('train', body(form), { 'Idempotency-Key': form.key });
    location.hash = `#/jobs/${job.job_id}`;
  } catch (error) {
    form.key = undefined;
    fill(form.outcome, problems(error));
    start.disabled = false;
  }
}

async function preflight(form, settings, button) {
  if (!button.form.reportValidity()) return;
  button.disabled = true;
  fill(form.outcome, h('div.callout', h('p', h('span.spinner'), t('check.running'))));
  try {
    fill(form.outcome, report(form, settings, await post('train?dry_run=true', body(form))));
  } catch (error) {
    fill(form.outcome, problems(error));
  }
  button.disabled = false;
}

function report(form, settings, answer) {
  if (!answer.findings) return h('div.callout', t('unavailable'));
  const { data, base, steps, memory, time } = answer;
  return h('section.check', {},
    h('h2', t(answer.ok ? 'check.ok' : 'check.bad')),
    h('ul.findings', answer.findings.map((finding) => findingLine(form, settings, finding))),
    h('dl.figures', {},
      figure(t('check.rows'), number(data.training_rows), t('check.heldOut', { n: data.held_out_rows })),
      figure(t('check.steps'), number(steps.total_steps), t('check.each', { n: steps.completions_per_step })),
      figure(t('check.time'), duration(time?.seconds), time?.basis),
      figure(t('check.memory'), memory ? bytes(memory.estimated_bytes) : '–', memory && t('check.of', { size: bytes(memory.available_bytes) })),
      figure(t('check.base'), percent(base?.exact_rate), base && t('check.sample', { n: base.num_samples }))),
    histogram(data.counts));
}

function findingLine(form, settings, finding) {
  const apply = () => {
    for (const [group, values] of Object.entries(finding.suggestion))
      for (const [name, value] of Object.entries(values)) form.place.keep({ [`${group}.${name}`]: String(value) });
    drawSettings(form, settings);
    form.place.note(t('check.applied'));
  };
  return h('li', { 'data-severity': finding.severity }, h('b', t(`severity.${finding.severity}`)), ' ', finding.message, ' ',
    finding.suggestion && h('button.button.small', { type: 'button', onclick: apply }, t('check.apply')));
}

function histogram(counts) {
  const most = Math.max(...counts.map((one) => one.rows));
  return h('figure.histogram', h('figcaption', t('check.counts')), h('ol', counts.map(({ count, rows }) =>
    h('li', { title: t('rows', { n: rows }) }, h('span.column', { style: { '--share': rows / most } }), h('span', number(count))))));
}
