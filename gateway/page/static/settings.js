// The settings of a job, as the server's schema tells them.

import { get } from './api.js';
import { byName, t } from './i18n.js';

const GROUPS = { '': 'TrainRequest', training_config: 'TrainingConfig', lora_config: 'LoraConfig', prompt: 'PromptTemplate' };
const PLAIN = ['integer', 'number', 'boolean'];

/** `group` is empty for what is of the request itself. */
export const describe = (group, name, schema) => ({ group, name, key: group ? `${group}.${name}` : name, label: t(`set.${name}`), help: t(`help.${name}`), schema });

export async function loadFields() {
	const { schemas } = (await get('openapi.json')).components;
	return Object.entries(GROUPS).flatMap(([group, model]) => Object.entries(schemas[model].properties)
		.filter(([, { type }]) => group || PLAIN.includes(type))
		.map(([name, schema]) => describe(group, name, schema)));
}

export const settingOf = (request, { group, name }) => (group ? request[group] : request)?.[name];

export const modelOf = (request) => request?.model ?? t('about.first');

const weightsOf = (rewards) => Object.fromEntries(rewards.map(({ name, weight }) => [name, weight]));
export const rewardsOf = (request) => byName(request?.rewards.length ? weightsOf(request.rewards) : { progressive_count: 1 }, String);

/** The form of a new job as `request` was, and `tags` that it had. */
export function formAddress(request, fields, tags) {
	const { data_file_id, job_name, evaluation_file_id, model, adapter_job_id: job, adapter_file_id: upload } = request;
	const adapter = upload ? `${upload}:upload` : request.adapter_checkpoint === 'best' ? `${job}:best` : job;
	const rewards = Object.entries(weightsOf(request.rewards)).map(([reward, weight]) => [`rewards.${reward}`, weight]);
	// What would be an adapter's own has to be said even where it is the default.
	const changed = fields.map((one) => [one.key, settingOf(request, one), one])
		.filter(([, value, { group, schema }]) => value !== undefined && (value !== schema.default || (adapter && group === 'prompt')));
	const query = { data_file_id, job_name, evaluation_file_id, model, adapter, tags: tags.join(', '), ...Object.fromEntries([...changed, ...rewards]) };
	return `#/train?${new URLSearchParams(Object.entries(query).filter(([, value]) => (value ?? '') !== ''))}`;
}
