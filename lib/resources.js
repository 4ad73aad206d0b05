'use strict';

// Resources of a component and of its embedder, as objects of JavaScript.

const { leave } = require('./errors.js');
const { Mismatch } = require('./values.js');

const dispose = Symbol.dispose ?? Symbol.for('nodejs.dispose');

/**
 * The state of an object that stands for a resource of a component.
 *
 * @typedef {object} State
 * @property {number | undefined} handle of the component; undefined once it is given away or dropped
 * @property {Promise<any> | undefined} [pending] its uses wait for this: its constructor, or a call with it
 * @property {boolean} [isMade] true if the constructor has returned
 * @property {boolean} [isGone] true if it was dropped, maybe before that
 * @property {number} resource
 * @property {GuestResources} owner
 */

/**
 * A call that values are written for.
 *
 * @typedef {object} Writing
 * @property {(() => void)[]} after to be called after it
 * @property {((isLost?: boolean) => void)[]} undo to be called if it fails: what was given away is not
 */

/** An object that stands for a resource of a component. */
class GuestResource {
  /** @type {State} */
  #state;

  /** @param {State} state */
  constructor(state) {
    this.#state = state;
  }

  /** The state of such an object; undefined for another. @param {any} value @returns {State | undefined} */
  static stateOf(value) {
    return typeof value === 'object' && value !== null && #state in value
      ? value.#state
      : undefined;
  }

  /** Ends the resource. Without effect if it is given away, lent or ended. */
  [Symbol.dispose ?? Symbol.for('nodejs.dispose')]() {
    const { owner } = this.#state;
    owner.drop(this.#state);
  }
}

/** The resources of a component that JavaScript holds. */
class GuestResources {
  /** The class of each resource, by its index. @type {(typeof GuestResource)[]} */
  classes = [];
  #dropHandle;
  #registry = new FinalizationRegistry((/** @type {State} */ state) => this.drop(state));

  /** @param {(handle: number) => void} dropHandle ends a resource in the component */
  constructor(dropHandle) {
    this.#dropHandle = dropHandle;
  }

  /** @param {number} resource @param {string} name of the class @returns {typeof GuestResource} */
  classOf(resource, name = 'Resource') {
    return (this.classes[resource] ??= { [name]: class extends GuestResource {} }[name]);
  }

  /**
   * An object for a handle.
   *
   * @param {number} resource
   * @param {number} handle
   * @param {boolean} isOwned false if it is lent for the time of a call
   * @param {{ after: (() => void)[] }} call
   */
  object(resource, handle, isOwned, call) {
    /** @type {State} */
    const state = { handle, resource, owner: this };
    const object = Reflect.construct(GuestResource, [state], this.classOf(resource));
    if (isOwned) this.watch(object, state);
    else call.after.push(() => (state.handle = undefined));
    return object;
  }

  /** Has the resource end with its object. @param {object} object @param {State} state */
  watch(object, state) {
    // Nothing waits for an object that nobody has.
    this.#registry.register(object, { ...state, pending: undefined, owner: this }, state);
  }

  /**
   * The handle of an object.
   *
   * @param {number} resource
   * @param {unknown} value
   * @param {boolean} isOwned true if it is given away
   * @param {Writing} call
   */
  handle(resource, value, isOwned, call) {
    const state = GuestResource.stateOf(value);
    const { name } = this.classOf(resource);
    if (state?.owner !== this || state.resource !== resource) {
      throw new Mismatch(`expected an instance of ${name} of this component`);
    }
    const { handle } = state;
    if (handle === undefined) {
      const isToCome = state.pending !== undefined && !state.isMade;
      const why = isToCome
        ? 'is not there yet: await a call of it first'
        : 'has been dropped, given away, or was lent';
      const mismatch = new Mismatch(`this ${name} ${why}`);
      if (isToCome) mismatch.awaited = state;
      throw mismatch;
    }
    if (isOwned) {
      this.#forget(state);
      call.undo.push(() => {
        state.handle = handle;
        this.watch(/** @type {object} */ (value), state);
      });
    }
    return handle;
  }

  /** @param {State} state */
  #forget(state) {
    state.handle = undefined;
    this.#registry.unregister(state);
  }

  /** @param {State} state */
  drop(state) {
    const { handle, pending } = state;
    state.isGone = true;
    if (pending) {
      pending.then(
        () => this.drop(state),
        () => {},
      );
      return;
    }
    if (handle === undefined) return;
    this.#forget(state);
    this.#dropHandle(handle);
  }
}

/** An object of the embedder that a component knows. */
/**
 * @typedef {object} Known
 * @property {object} object
 * @property {number} count of the component's handles of it
 * @property {number} owned of those that it owns
 */

/** The objects of the embedder that a component knows by numbers. */
class HostResources {
  /** @type {Map<number, Known>} */
  #byNumber = new Map();
  /** @type {Map<object, number>} */
  #numbers = new Map();
  #last = 0;

  /**
   * The number of an object.
   *
   * @param {unknown} value
   * @param {Function} Class that it is to be an instance of
   * @param {boolean} isOwned false if it is lent for the time of a call
   * @param {Writing} call
   */
  number(value, Class, isOwned, call) {
    if (typeof value !== 'object' || value === null || !Class[Symbol.hasInstance](value)) {
      throw new Mismatch(`expected an instance of ${Class.name} of options.imports`);
    }
    let number = this.#numbers.get(value);
    if (number === undefined) {
      number = this.#nextNumber();
      this.#numbers.set(value, number);
      this.#byNumber.set(number, { object: value, count: 0, owned: 0 });
    }
    const known = /** @type {Known} */ (this.#byNumber.get(number));
    known.count++;
    const taken = number;
    if (isOwned) {
      known.owned++;
      call.undo.push((isLost) => {
        if (isLost) leave(() => this.drop(taken));
        else this.release(taken);
      });
    } else {
      call.after.push(() => void this.#giveBack(taken));
    }
    return number;
  }

  #nextNumber() {
    do this.#last = (this.#last + 1) % 2 ** 31;
    while (this.#byNumber.has(this.#last));
    return this.#last;
  }

  /** @param {number} number */
  object(number) {
    return this.#byNumber.get(number)?.object;
  }

  /**
   * The component has given back what it owned.
   *
   * @param {number} number
   * @returns {any} the object
   */
  release(number) {
    const known = this.#byNumber.get(number);
    if (known) known.owned--;
    return this.#giveBack(number);
  }

  /**
   * The component has dropped what it owned: an object that it has no more is ended.
   *
   * @param {number} number
   * @returns {any} what its end returns
   */
  drop(number) {
    const object = this.release(number);
    return this.#byNumber.has(number) ? undefined : object?.[dispose]?.();
  }

  /** The component has ended, and with it all that it owned. */
  end() {
    const all = [...this.#byNumber.values()].filter(({ owned }) => owned > 0);
    this.#byNumber.clear();
    this.#numbers.clear();
    for (const { object } of all) leave(() => /** @type {any} */ (object)[dispose]?.());
  }

  /** The component has one handle less. @param {number} number */
  #giveBack(number) {
    const known = this.#byNumber.get(number);
    if (!known) return undefined;
    if (--known.count === 0) {
      this.#byNumber.delete(number);
      this.#numbers.delete(known.object);
    }
    return known.object;
  }
}

/** True for a class of a component's resources. @param {any} value */
const isResourceClass = (value) =>
  Object.prototype.isPrototypeOf.call(GuestResource.prototype, Object(value?.prototype));

module.exports = { GuestResource, GuestResources, HostResources, isResourceClass };
