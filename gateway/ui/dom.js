// Elements without markup: every text goes through textContent, whatever it holds.

function build(node, properties, children) {
	for (const [name, value] of Object.entries(properties)) {
		if (value == null || value === false) continue;
		if (name === 'style') for (const [key, number] of Object.entries(value)) node.style.setProperty(key, number);
		else if (name in node && node instanceof HTMLElement) node[name] = value;
		else node.setAttribute(name, value === true ? '' : value);
	}
	fill(node, children);
	return node;
}

/** h('div.card', {onclick}, 'text', node): classes and properties may be left out. */
export function h(tag, ...children) {
	const [name, ...classes] = tag.split('.');
	const node = document.createElement(name);
	if (classes.length) node.className = classes.join(' ');
	return build(node, children[0]?.constructor === Object ? children.shift() : {}, children);
}

export const s = (tag, properties, ...children) => build(document.createElementNS('http://www.w3.org/2000/svg', tag), properties, children);

export const fill = (node, ...children) => node.replaceChildren(...children.flat(Infinity).filter((child) => child || child === 0));

/** Touches nothing where `text` is shown already. */
export function say(node, text) {
	if (node.textContent !== text) node.textContent = text;
}
