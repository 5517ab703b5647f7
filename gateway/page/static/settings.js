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

export const tagsOf = (text) => text.split(',').filter((tag) => tag.trim());

const weightsOf = (rewards) => Object.fromEntries(rewards.map(({ name, weight }) => [name, weight]));
export const rewardsOf = (request) => byName(request?.rewards.length ? weightsOf(request.rewards) : { progressive_count: 1 }, String);

/** {a: {b: 1}} as [['a.b', 1]]. */
export const flat = (values, prefix = '') =>
	Object.entries(values).flatMap(([name, one]) => (Object(one) === one ? flat(one, `${prefix}${name}.`) : [[prefix + name, one]]));

/** The form of a new job as `request` was. */
export function formAddress({ rewards, tags, adapter_job_id: job, adapter_file_id: upload, adapter_checkpoint: which, ...rest }) {
	const adapter = upload ? `${upload}:upload` : which === 'best' ? `${job}:best` : job;
	const values = flat({ ...rest, rewards: weightsOf(rewards), adapter, tags: tags.join(', ') });
	return `#/train?${new URLSearchParams(values.filter(([, value]) => (value ?? '') !== ''))}`;
}
