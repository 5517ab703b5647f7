// The list of jobs, kept up to date: rows stay in place, only what changes is drawn anew.

import { read, sleep } from './api.js';
import { t, when } from './i18n.js';
import { fill, h, muted, progressBar, say, status } from './parts.js';

export const title = 'nav.jobs';
const PAGE = 50;
const PERIOD = 2500;

export async function show(main, { query, keep, signal }) {
	const list = h('ul.rows');
	const foot = h('div.actions.middle');
	const rows = new Map();
	const wanted = () => Number(query.get('shown') ?? PAGE);
	const more = h('button.button', { onclick: () => refresh(keep({ shown: wanted() + PAGE })) }, t('jobs.more'));
	const refresh = async () => {
		const response = await read(`jobs?limit=${wanted()}`);
		const jobs = await response.json();
		const all = Number(response.headers.get('X-Total-Count'));
		draw(list, rows, jobs);
		fill(foot, muted(all ? t('jobs.count', { shown: jobs.length, all }) : t('jobs.none')), all > jobs.length && more);
	};
	fill(main, h('div.head', h('h1', t('nav.jobs')), h('a.button.main', { href: '#/' }, t('jobs.new'))), list, foot);
	await refresh();
	const stayFresh = async () => {
		await sleep(PERIOD);
		if (signal.aborted) return;
		if (!document.hidden) await refresh().catch(() => {});
		stayFresh();
	};
	stayFresh();
}

function draw(list, rows, jobs) {
	const nodes = jobs.map((job) => {
		if (!rows.has(job.job_id)) rows.set(job.job_id, rowOf(job));
		rows.get(job.job_id).update(job);
		return rows.get(job.job_id).node;
	});
	if (nodes.length !== list.children.length || nodes[0] !== list.firstChild) fill(list, nodes);
}

function rowOf(job) {
	const state = h('span');
	const step = h('small');
	const { bar, set } = progressBar(job.job_name);
	const node = h('li', h('a.row.job', { href: `#/jobs/${job.job_id}` }, h('strong', job.job_name), state, bar, step, h('small', when(job.created_at))));
	const update = (now) => {
		set(now.progress / 100);
		say(step, now.total_steps ? t('steps', { step: now.current_step, total: now.total_steps }) : '');
		if (node.dataset.state === `${now.status}${now.phase}`) return;
		node.dataset.state = `${now.status}${now.phase}`;
		fill(state, status(now));
	};
	return { node, update };
}
