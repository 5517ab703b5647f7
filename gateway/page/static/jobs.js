// The jobs that one looks for, kept up to date.

import { button, fill, h, jobSearch, keepFresh, live, muted, read, say, status, stepsOf, t, when } from './parts.js';

const PAGE = 50;
const PERIOD = 2500;

export async function show(main, { query, keep }) {
	const list = h('ul.rows');
	const rows = live('job_id', row);
	const wanted = () => Number(query.get('shown') ?? PAGE);
	const [foot, count, runs] = [h('div.actions.middle'), muted(), h('a.button', t('runs.link'))];
	const more = button('jobs.more', () => refresh(keep({ shown: wanted() + PAGE })));
	const refresh = async () => {
		const asked = `${query}`;
		const response = await read(`jobs?limit=${wanted()}&${asked}`);
		const jobs = await response.json();
		if (asked !== `${query}`) return;
		const all = Number(response.headers.get('X-Total-Count'));
		runs.href = `#/runs?${asked}`;
		fill(list, rows(jobs));
		say(count, all ? t('jobs.count', { shown: jobs.length, all }) : t(asked ? 'jobs.notFound' : 'jobs.none'));
		fill(foot, count, all > jobs.length && more);
	};
	fill(main, h('div.head', h('h1', t('nav.jobs')), h('div.actions', runs, h('a.button.main', { href: '#/' }, t('jobs.new')))), jobSearch({ query, keep }, refresh), list, foot);
	await refresh();
	keepFresh(PERIOD, refresh);
}

function row(job) {
	const [state, bar, step, name, tags] = [status(), h('progress', { ariaLabel: job.job_name }), h('small'), h('strong'), h('small')];
	const node = h('li', h('a.row.job', { href: `#/jobs/${job.job_id}` }, h('span', name, ' ', tags), state.node, bar, step, h('small', when(job.created_at))));
	const update = (now) => {
		state.set(now);
		bar.value = now.progress / 100;
		say(name, now.job_name);
		say(tags, now.tags.join(', '));
		say(step, stepsOf(now));
	};
	return { node, update };
}
