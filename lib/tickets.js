'use strict';

// Descriptors on their way to a program.

const { addon, wasiError } = require('./requests.js');

/** @typedef {import('./http.js').Ends} Ends */

/**
 * Tickets for descriptors. A descriptor that no engine has taken is closed here, or by the addon when this
 * environment ends.
 */
class Tickets {
  /** @type {{ number: number }[]} */
  #tickets = [];

  /**
   * Copies a descriptor. If that fails, all tickets are closed.
   *
   * @param {number} fd
   * @param {string} name of the stream
   * @returns {number} the ticket's number, for an engine
   */
  copy(fd, name) {
    return this.#keep(this.#made(() => addon.handOver(fd, name)));
  }

  /**
   * Opens the file that calls are shown in. If that fails, all tickets are closed.
   *
   * @param {import('./types.js').Trace} trace
   * @returns {number} the ticket's number, for an engine
   */
  openTrace({ path, option }) {
    return this.#keep(this.#made(() => addon.openTrace(path, option)));
  }

  /**
   * Makes something. If that fails, all tickets are closed.
   *
   * @template T
   * @param {() => T} make
   * @returns {T}
   */
  #made(make) {
    try {
      return make();
    } catch (error) {
      this.close();
      const { code, message, errno, syscall } = /** @type {any} */ (error);
      if (code === 'ERR_ACCESS_DENIED') throw error;
      throw wasiError(code, message, { errno, syscall });
    }
  }

  /**
   * A pipe that the program reads, or writes.
   *
   * @param {boolean} isInput
   * @returns {{ fd: number, number: number }} this end, to be closed by the caller, and the ticket's number
   */
  pipe(isInput) {
    const { fd, ticket } = addon.pipe(isInput);
    return { fd, number: this.#keep(ticket) };
  }

  /**
   * The sockets of an exchange of HTTP.
   *
   * @returns {{ here: Ends, there: Ends }} these ends, to be closed by the caller, and the tickets' numbers
   */
  exchange() {
    const { here, input, output } = this.#made(() => addon.exchange());
    return { here, there: { input: this.#keep(input), output: this.#keep(output) } };
  }

  /** @param {{ number: number }} ticket */
  #keep(ticket) {
    this.#tickets.push(ticket);
    return ticket.number;
  }

  close() {
    for (const ticket of this.#tickets.splice(0)) addon.close(ticket);
  }
}

module.exports = { Tickets };
