// The list of jobs, kept up to date.

import { button, fill, h, keepFresh, live, muted, read, say, status, t, when } from './parts.js';

const PAGE = 50;
const PERIOD = 2500;

export async function show(main, { query, keep }) {
	const list = h('ul.rows');
	const rows = live('job_id', row);
	const wanted = () => Number(query.get('shown') ?? PAGE);
	const [foot, count] = [h('div.actions.middle'), muted()];
	const more = button('jobs.more', () => refresh(keep({ shown: wanted() + PAGE })));
	const refresh = async () => {
		const response = await read(`jobs?limit=${wanted()}`);
		const jobs = await response.json();
		const all = Number(response.headers.get('X-Total-Count'));
		fill(list, rows(jobs));
		say(count, all ? t('jobs.count', { shown: jobs.length, all }) : t('jobs.none'));
		fill(foot, count, all > jobs.length && more);
	};
	fill(main, h('div.head', h('h1', t('nav.jobs')), h('div.actions', h('a.button', { href: '#/runs' }, t('runs.link')), h('a.button.main', { href: '#/' }, t('jobs.new')))), list, foot);
	await refresh();
	keepFresh(PERIOD, refresh);
}

function row(job) {
	const [state, bar, step] = [status(), h('progress', { ariaLabel: job.job_name }), h('small')];
	const node = h('li', h('a.row.job', { href: `#/jobs/${job.job_id}` }, h('strong', job.job_name), state.node, bar, step, h('small', when(job.created_at))));
	const update = (now) => {
		state.set(now);
		bar.value = now.progress / 100;
		say(step, now.total_steps ? t('steps', { step: now.current_step, total: now.total_steps }) : '');
	};
	return { node, update };
}
