// A picture, large, and the ones beside it.

import { h, openDialog, percent, say, t } from './parts.js';

const MOST_ZOOM = 16;
const ZOOM_STEP = 1.5;
const MOVE_STEP = 80;

/** `opened` and its like have `shows`: {title, full()}. */
export function look(opened) {
	const all = [...document.querySelectorAll('main .picture')].filter((one) => one.shows);
	const [image, name, scale] = [h('img', { draggable: false }), h('p'), h('output')];
	const stage = h('div.stage', image);
	let at = all.indexOf(opened);
	let [zoom, x, y] = [1, 0, 0];
	const place = () => {
		image.style.transform = `translate(${x}px, ${y}px) scale(${zoom})`;
		say(scale, percent(zoom));
	};
	/** Keeps what is under (cx, cy), from the middle, where it is. */
	const resize = (wanted, cx = 0, cy = 0) => {
		const next = Math.min(MOST_ZOOM, Math.max(1, wanted));
		[x, y] = next === 1 ? [0, 0] : [cx - ((cx - x) * next) / zoom, cy - ((cy - y) * next) / zoom];
		zoom = next;
		place();
	};
	const move = (dx, dy) => {
		if (zoom === 1) return;
		[x, y] = [x + dx, y + dy];
		place();
	};
	const turn = async (by) => {
		at = (at + by + all.length) % all.length;
		const { title, full } = all[at].shows;
		resize(1);
		say(name, title);
		image.alt = title;
		image.src = await full();
	};
	const [larger, smaller] = [() => resize(zoom * ZOOM_STEP), () => resize(zoom / ZOOM_STEP)];
	const sideways = (by) => () => (zoom > 1 ? move(-by * MOVE_STEP, 0) : turn(by));
	const keys = {
		'+': larger, '=': larger, '-': smaller, 0: () => resize(1), PageUp: () => turn(-1), PageDown: () => turn(1),
		ArrowLeft: sideways(-1), ArrowRight: sideways(1), ArrowUp: () => move(0, MOVE_STEP), ArrowDown: () => move(0, -MOVE_STEP),
	};
	const tool = (key, text, onclick) => h('button.quiet', { type: 'button', ariaLabel: t(key), title: t(key), onclick }, text);
	const dialog = openDialog('dialog.viewer', t('picture.large'),
		h('div.actions', name, scale, tool('picture.smaller', '−', smaller), tool('picture.larger', '+', larger), tool('previous', '←', () => turn(-1)),
			tool('next', '→', () => turn(1)), tool('picture.close', '✕', () => dialog.close())), stage);
	dialog.onkeydown = (event) => {
		if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
		event.preventDefault();
		keys[event.key]();
	};
	stage.onwheel = (event) => {
		event.preventDefault();
		const { left, top, width, height } = stage.getBoundingClientRect();
		resize(zoom * ZOOM_STEP ** (-event.deltaY / 100), event.clientX - left - width / 2, event.clientY - top - height / 2);
	};
	stage.onpointerdown = (event) => stage.setPointerCapture(event.pointerId);
	stage.onpointermove = (event) => stage.hasPointerCapture(event.pointerId) && move(event.movementX, event.movementY);
	stage.ondblclick = () => resize(zoom > 1 ? 1 : ZOOM_STEP ** 3);
	turn(0);
}
