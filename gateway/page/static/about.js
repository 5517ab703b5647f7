// What a job was asked for, when it did what, what its workers printed.

import { get, read, sleep } from './api.js';
import { deleted } from './dialog.js';
import { button, duration, fill, h, muted, number, say, t, when } from './parts.js';
import { formAddress, loadFields, settingOf, writeRewards } from './settings.js';

const LOG_LINES = 500;
const LOG_PERIOD = 3000;

export async function open(host, page) {
	const { job, request, listeners, note } = page;
	const path = `jobs/${job.job_id}`;
	const [files, fields] = await Promise.all([get('files'), loadFields()]);
	const facts = factsOf(job, request, files);
	const remove = button('job.delete', () => deleted('job.delete', `${path}?purge=true`, '#/jobs', note, { name: job.job_name }));
	const form = (key, more) => h('a.button', { href: formAddress({ ...request, ...more }, fields) }, t(key));
	const actions = h('div.actions', request?.adapter_file_id === null && form('job.copy'), request && job.checkpoints[0] && form('job.trainOn', { adapter_job_id: job.job_id }), remove);
	const update = () => {
		remove.disabled = job.status === 'training';
		for (const { node, read: text } of facts) say(node, text() ?? '–');
	};
	const log = logOf(path, job);
	fill(host, actions, h('dl.facts', facts.map(({ key, row }) => h('div', h('dt', t(`about.${key}`)), row))),
		h('section', h('h2', t('about.settings')), request ? table(request, fields) : muted(t('unavailable'))),
		h('section', h('h2', t('about.log')), log.node));
	update();
	listeners.push(update);
	await log.follow();
}

/** What is known of it: each has a node, and a text that may change. */
function factsOf(job, request, files) {
	const fact = (key, text, make) => {
		const node = h('span');
		return { key, node, read: text, row: h('dd', make ? make(node) : node) };
	};
	const link = (href) => (node) => h('a', { href }, node);
	const upload = (id) => files.find((one) => one.file_id === id);
	const file = (key, id) => fact(key, () => upload(id)?.filename ?? t(id ? 'about.deleted' : 'about.heldOutOf', { share: `${100 * (request?.evaluation_share ?? 0)} %` }), upload(id) && link(`#/data/${id}`));
	const seconds = () => (Date.parse(`${job.ended_at ?? new Date().toISOString().slice(0, -1)}Z`) - Date.parse(`${job.started_at}Z`)) / 1000;
	return [
		fact('id', () => job.job_id, (node) => [node, copyButton(node)]),
		file('data', job.data_file_id),
		file('evaluation', job.evaluation_file_id),
		fact('model', () => request?.model ?? t('about.first')),
		fact('rewards', () => (request?.rewards.length ? writeRewards(request.rewards) : 'progressive_count 1')),
		fact('created', () => when(job.created_at)),
		fact('started', () => (job.started_at ? when(job.started_at) : null)),
		fact('duration', () => (job.started_at ? duration(Math.max(0, seconds())) : null)),
		fact('queue', () => (job.queue_position ? number(job.queue_position) : null)),
		fact('estimate', () => (job.estimated_start ? when(job.estimated_start) : null)),
		fact('priority', () => number(job.priority)),
		fact('resumed', () => job.resumed_from_job_id ?? t('about.fresh'), job.resumed_from_job_id && link(`#/jobs/${job.resumed_from_job_id}`)),
	];
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

function table(request, fields) {
	const rows = fields.map((one) => ({ ...one, value: settingOf(request, one) }));
	const isChanged = ({ value, schema }) => value !== schema.default;
	const row = (one) => h(`tr${isChanged(one) ? '.changed' : ''}`, h('th', { scope: 'row' }, h('span.label', t(`set.${one.name}`)), h('code', one.name)),
		h('td', `${one.value}`, isChanged(one) && h('small', t('about.default', { value: `${one.schema.default}` }))));
	const [changed, others] = [rows.filter(isChanged), rows.filter((one) => !isChanged(one))];
	const part = (these) => h('table.settings', h('tbody', these.map(row)));
	return [changed[0] ? part(changed) : muted(t('about.unchanged')), h('details', h('summary', t('about.others')), part(others))];
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
		if (job.status === 'training') stay();
	};
	const stay = async () => {
		await sleep(LOG_PERIOD);
		if (!text.isConnected) return;
		if (!document.hidden) await refresh().catch(() => {});
		if (job.status === 'training') stay();
	};
	return { node: text, follow };
}
