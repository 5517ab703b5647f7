// Elements without markup: every text goes through textContent, whatever it holds.

/** h('div.card', {onclick}, 'text', node): classes and properties may be left out. */
export function h(tag, ...children) {
	const [name, ...classes] = tag.split('.');
	const node = document.createElement(name);
	node.className = classes.join(' ');
	const properties = children[0]?.constructor === Object ? children.shift() : {};
	for (const [key, value] of Object.entries(properties)) {
		if (key === 'style') for (const [property, one] of Object.entries(value)) node.style.setProperty(property, one);
		else if (key in node) node[key] = value;
		else node.setAttribute(key, value);
	}
	fill(node, children);
	return node;
}

export const fill = (node, ...children) => node.replaceChildren(...children.flat(Infinity).filter((child) => child || child === 0));

/** Touches nothing where `text` is shown already. */
export function say(node, text) {
	if (node.textContent !== text) node.textContent = text;
}
