// The settings of a job, as the server's schema tells them.

import { get } from './api.js';

const GROUPS = { '': 'TrainRequest', training_config: 'TrainingConfig', lora_config: 'LoraConfig' };
const PLAIN = ['integer', 'number', 'boolean'];

/** [{group, name, key, schema}]; `group` is empty for what is of the request itself. */
export async function loadFields() {
	const { schemas } = (await get('openapi.json')).components;
	return Object.entries(GROUPS).flatMap(([group, model]) => Object.entries(schemas[model].properties)
		.filter(([, { type }]) => group || PLAIN.includes(type))
		.map(([name, schema]) => ({ group, name, key: group ? `${group}.${name}` : name, schema })));
}

export const settingOf = (request, { group, name }) => (group ? request[group] : request)?.[name];

export const writeRewards = (rewards) => rewards.map(({ name, weight }) => `${name} ${weight}`).join(', ');

/** 'exact 0.5, format' → [{name, weight}]. */
export const readRewards = (text) => text.split(/[,，]/).map((part) => part.trim().split(/\s+/)).filter(([name]) => name)
	.map(([name, weight]) => ({ name, ...(weight && { weight: Number(weight) }) }));

/** The form of a new job as `request` was. */
export function formAddress(request, fields) {
	const { data_file_id: file, job_name: name, evaluation_file_id: evaluation, model, rewards = [], adapter_job_id: adapter } = request;
	const changed = fields.map((one) => [one.key, settingOf(request, one), one.schema.default]).filter(([, value, start]) => value !== undefined && value !== start);
	const query = { file, name, evaluation, model, adapter, rewards: writeRewards(rewards), ...Object.fromEntries(changed) };
	return `#/train?${new URLSearchParams(Object.entries(query).filter(([, value]) => (value ?? '') !== ''))}`;
}
