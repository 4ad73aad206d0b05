/** A promise and its functions. (Node 20 has no Promise.withResolvers.) */
export function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}
