// What the steps measured, live.

import { chart, smoothed } from './chart.js';
import { fill, h, measured, named, percent, say, short, t } from './parts.js';

const LINES = { reward_mean: [measured], exact_rate: [percent], median_absolute_count_error: [measured], far_off_rate: [percent], entropy: [short, '--blue'], kl: [short, '--violet'] };
const STAGES = { rollout_seconds: '--blue', reward_seconds: '--amber', learning_seconds: '--violet', step_seconds: '--ink' };
const REWARDS = 'reward_mean_by_component';
const FIELDS = Object.keys({ step: 0, ...LINES, ...STAGES, [REWARDS]: 0 });

/** A step that is done again replaces itself and what came after it. */
function add(curve, step) {
	const known = curve.step.findLastIndex((one) => one < step.step) + 1;
	for (const field of FIELDS) curve[field].splice(known, Infinity, step[field] ?? null);
}

export function open(host, { metrics, request, listeners, query, keep }) {
	// Without a weight there is no reference to measure from.
	const lines = Object.entries(LINES).filter(([field]) => field !== 'kl' || !request || request.training_config.beta > 0);
	const curve = Object.fromEntries(FIELDS.map((field) => [field, []]));
	for (const step of metrics.steps) add(curve, step);
	let latest = metrics.steps.at(-1);
	const single = ([field, [write, colour = '--accent']]) =>
		chart(t(`curve.${field}`), [
			{ colour, faint: true, of: (all, smooth) => (smooth ? all[field] : []) },
			{ colour, of: (all, smooth) => (smooth ? smoothed(all[field], Math.max(2, all.step.length / 25)) : all[field]) },
		], write);
	const stages = Object.entries(STAGES).map(([field, colour]) => ({ label: t(`curve.${field}`), colour, of: (all) => all[field] }));
	const rewards = (request?.rewards ?? []).map(({ name }, i) => ({ label: name, colour: Object.values(STAGES)[i % 4], of: (all) => all[REWARDS].map((means) => means?.[name] ?? null) }));
	const charts = [...lines.map(single), ...(rewards[1] ? [chart(t(`curve.${REWARDS}`), rewards, measured)] : []), chart(t('curves.stages'), stages, short)];
	const heldOut = request?.training_config.evaluation_steps > 0 ? scoredSteps(metrics.evaluations, listeners) : null;
	const others = named('curve.').filter((field) => !FIELDS.includes(field)).map((field) => [field, h('dd')]);
	const smooth = h('input', { type: 'checkbox', checked: query.has('smooth'), onchange: () => update(keep({ smooth: smooth.checked || null })) });
	let frame;
	const update = () => {
		// At most once a frame.
		frame ??= requestAnimationFrame(() => {
			frame = null;
			for (const { set } of charts) set(curve, smooth.checked);
			for (const [field, value] of others) say(value, short(latest?.[field]));
		});
	};
	fill(host, h('label.tick', smooth, t('curves.smooth')), h('div.charts', heldOut?.card, charts.map(({ card }) => card)),
		h('section.panel', h('h2', t('curves.latest')), h('dl.details', others.map(([field, value]) => h('div', h('dt', t(`curve.${field}`)), value)))));
	update();
	listeners.push((kind, data) => {
		if (kind !== 'step') return;
		add(curve, (latest = data));
		update();
	});
}

/** How often what is held out was answered right, as evaluations come. */
function scoredSteps(known, listeners) {
	const scored = new Map(known.map((one) => [one.step, one]));
	const line = (key, of, more) => ({ label: t(`curves.${key}`), colour: '--accent', of: (all) => all.scores.map(of), ...more });
	const ends = (i) => ({ intervals }) => intervals.exact_rate[i];
	const { card, set } = chart(t('curves.heldOut'), [line('low', ends(0), { faint: true }), line('high', ends(1), { faint: true }), line('at', (one) => one.exact_rate, { dots: true })], percent);
	const draw = () => {
		const scores = [...scored.values()].sort((a, b) => a.step - b.step);
		set({ step: scores.map((one) => one.step), scores });
	};
	draw();
	listeners.push((kind, data) => kind === 'held_out' && draw(scored.set(data.step, data)));
	return { card };
}
