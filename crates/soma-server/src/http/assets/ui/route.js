// The view and all that it shows stand in the address, behind `#`: it can be shared, and it is never sent to
// a server.

export const VIEWS = ["browse", "recall", "live"];

/// Where the page stands: the view and its parameters.
export const read = () => {
  const [path, query = ""] = location.hash.slice(1).split(/\?(.*)/s);
  const name = path.replace(/^\//, "");
  return { view: VIEWS.includes(name) ? name : "browse", params: Object.fromEntries(new URLSearchParams(query)) };
};

/// The address of a view; empty parameters are left out.
export const link = (view, params = {}) => {
  const filled = Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return `#/${view}${filled.length ? `?${new URLSearchParams(filled)}` : ""}`;
};

/// Goes there; whether that is another place.
export const go = (view, params) => {
  const target = link(view, params);
  if (location.hash === target) return false;
  location.hash = target;
  return true;
};

/// The parameters that a view keeps when one comes from another.
export const carried = ({ params }) => ({ ns: params.ns });
