// What a job was asked for, when it did what, what its workers printed.

import { button, complain, deleteButton, field, fill, h, keepFresh, muted, note, post, ranFor, read, save, say, section, t, uploads, when } from './parts.js';
import { formAddress, loadFields, modelOf, rewardsOf, settingOf, tagsOf } from './settings.js';

const LOG_LINES = 500;
const LOG_PERIOD = 3000;

export async function open(host, page) {
	const { path, job, request, listeners } = page;
	const [{ data }, fields] = await Promise.all([uploads(), loadFields()]);
	const facts = factsOf(job, request, data);
	const remove = deleteButton('job.delete', () => `${path}?purge=true`, () => (location.hash = '#/jobs'), { name: job.job_name });
	const form = (key, more) => h('a.button', { href: formAddress({ ...request, ...more, tags: job.tags }) }, t(key));
	const begun = { adapter_job_id: job.job_id, adapter_checkpoint: 'last', adapter_file_id: null };
	const merged = (which) => button(`job.merged.${which}`, () => save(`${path}/download?form=merged&checkpoint=${which}`, `${job.job_name}.${which}.merged.zip`));
	const actions = h('div.actions', request && [form('job.copy'), job.checkpoints[0] && form('job.trainOn', begun)], job.checkpoints.map(merged), remove);
	const update = () => {
		remove.disabled = job.status === 'training';
		for (const { node, text } of facts) say(node, text() || '–');
	};
	const log = logOf(path, job);
	fill(host, actions, h('dl.facts', facts.map(({ row }) => row)), h('div.fields', said(page)),
		section('about.settings', request ? table(request, fields) : muted(t('unavailable'))), section('about.log', log.node));
	update();
	listeners.push(update);
	await log.follow();
}

function factsOf(job, request, files) {
	const { data_file_id: data, evaluation_file_id: evaluation, resumed_from_job_id: resumed } = job;
	const upload = (id) => files.find((one) => one.file_id === id);
	const name = (id) => upload(id)?.filename ?? t(id ? 'about.deleted' : 'about.heldOutOf', { share: `${100 * (request?.evaluation_share ?? 0)} %` });
	const facts = {
		id: [() => job.job_id],
		data: [() => name(data), upload(data) && `#/data/${data}`],
		evaluation: [() => name(evaluation), upload(evaluation) && `#/data/${evaluation}`],
		model: [() => modelOf(request)],
		rewards: [() => rewardsOf(request)],
		created: [() => when(job.created_at)],
		started: [() => job.started_at && when(job.started_at)],
		duration: [() => ranFor(job)],
		resumed: [() => resumed ?? t('about.fresh'), resumed && `#/jobs/${resumed}`],
	};
	return Object.entries(facts).map(([key, [text, href]]) => {
		const node = href ? h('a', { href }) : h('span');
		return { node, text, row: h('div', h('dt', t(`about.${key}`)), h('dd', node)) };
	});
}

/** What may be said of it at any time, kept once changed. */
const said = ({ job, path, tell }) => ['job_name', 'tags', 'notes'].map((name) => {
	const onchange = ({ target: { value } }) => post(path, { [name]: name === 'tags' ? tagsOf(value) : value }, {}, 'PATCH').then((now) => {
		job[name] = now[name];
		tell();
		note(t('about.kept'));
	}, complain);
	return field(t(`set.${name}`), h(name === 'notes' ? 'textarea' : 'input', { value: job[name], onchange }));
});

/** What is not as it is by default comes first. */
function table(request, fields) {
	const isChanged = (one) => settingOf(request, one) !== one.schema.default;
	const row = (one) => h(`tr${isChanged(one) ? '.changed' : ''}`, h('th', { scope: 'row' }, h('span.label', one.label), h('code', one.name)),
		h('td', `${settingOf(request, one)}`, isChanged(one) && h('small', t('about.default', { value: `${one.schema.default}` }))));
	return h('table.settings', h('tbody', fields.toSorted((a, b) => isChanged(b) - isChanged(a)).map(row)));
}

/** The end of the log; while one reads further up or marks something, it stays as it is. */
function logOf(path, job) {
	const text = h('pre.log', { role: 'region', tabIndex: 0, ariaLabel: t('about.log') });
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
