// What a job was asked for, when it did what, what its workers printed.

import { button, deleteButton, fill, h, keepFresh, muted, ranFor, read, say, section, t, uploads, when } from './parts.js';
import { formAddress, loadFields, modelOf, rewardsOf, settingOf } from './settings.js';

const LOG_LINES = 500;
const LOG_PERIOD = 3000;

export async function open(host, page) {
	const { path, job, request, listeners } = page;
	const [{ data }, fields] = await Promise.all([uploads(), loadFields()]);
	const facts = factsOf(job, request, data);
	const remove = deleteButton('job.delete', () => `${path}?purge=true`, () => (location.hash = '#/jobs'), { name: job.job_name });
	const form = (key, more) => h('a.button', { href: formAddress({ ...request, ...more }, fields, job.tags) }, t(key));
	const begun = { adapter_job_id: job.job_id, adapter_checkpoint: 'last', adapter_file_id: null };
	const actions = h('div.actions', request && form('job.copy'), request && job.checkpoints[0] && form('job.trainOn', begun), remove);
	const update = () => {
		remove.disabled = job.status === 'training';
		for (const { node, text } of facts) say(node, text() || '–');
	};
	const log = logOf(path, job);
	fill(host, actions, h('dl.facts', facts.map(({ row }) => row)),
		section('about.settings', request ? table(request, fields) : muted(t('unavailable'))), section('about.log', log.node));
	update();
	listeners.push(update);
	await log.follow();
}

function factsOf(job, request, files) {
	const { data_file_id: data, evaluation_file_id: evaluation, resumed_from_job_id: resumed } = job;
	const upload = (id) => files.find((one) => one.file_id === id);
	const name = (id) => upload(id)?.filename ?? t(id ? 'about.deleted' : 'about.heldOutOf', { share: `${100 * (request?.evaluation_share ?? 0)} %` });
	const links = { data: upload(data) && `#/data/${data}`, evaluation: upload(evaluation) && `#/data/${evaluation}`, resumed: resumed && `#/jobs/${resumed}` };
	const texts = {
		id: () => job.job_id,
		data: () => name(data),
		evaluation: () => name(evaluation),
		model: () => modelOf(request),
		rewards: () => rewardsOf(request),
		tags: () => job.tags.join(', '),
		created: () => when(job.created_at),
		started: () => job.started_at && when(job.started_at),
		duration: () => ranFor(job),
		resumed: () => resumed ?? t('about.fresh'),
	};
	return Object.entries(texts).map(([key, text]) => {
		const node = links[key] ? h('a', { href: links[key] }) : h('span');
		return { node, text, row: h('div', h('dt', t(`about.${key}`)), h('dd', node, key === 'id' && copyButton(node))) };
	});
}

/** By the selection: the clipboard's own interface is for encrypted pages alone. */
function copyButton(node) {
	const copy = button('copy', () => {
		getSelection().selectAllChildren(node);
		document.execCommand('copy');
		getSelection().removeAllRanges();
		say(copy, t('copied'));
	});
	return copy;
}

/** What is not as it is by default comes first. */
function table(request, fields) {
	const row = (one) => {
		const value = settingOf(request, one);
		const isChanged = value !== one.schema.default;
		const node = h(`tr${isChanged ? '.changed' : ''}`, h('th', { scope: 'row' }, h('span.label', one.label), h('code', one.name)),
			h('td', `${value}`, isChanged && h('small', t('about.default', { value: `${one.schema.default}` }))));
		return { isChanged, node };
	};
	const rows = fields.map(row).sort((a, b) => b.isChanged - a.isChanged);
	return h('table.settings', h('tbody', rows.map(({ node }) => node)));
}

/** The end of the log; while one reads further up or marks something, it stays as it is. */
function logOf(path, job) {
	const text = h('pre.log', { tabIndex: 0, ariaLabel: t('about.log') });
	const refresh = async () => {
		const lines = await (await read(`${path}/log?lines=${LOG_LINES}`)).text();
		const atEnd = text.scrollHeight - text.scrollTop - text.clientHeight < 4;
		if (text.textContent && (!atEnd || (text.contains(getSelection().anchorNode) && !getSelection().isCollapsed))) return;
		say(text, lines || t('about.noLog'));
		text.scrollTop = text.scrollHeight;
	};
	const follow = async () => {
		await refresh().catch((error) => say(text, error.message));
		keepFresh(LOG_PERIOD, refresh, () => job.status === 'training');
	};
	return { node: text, follow };
}
