'use strict';

// Descriptors on their way to a program.

const { addon } = require('./requests.js');

/**
 * Tickets for descriptors, which are closed here unless an engine has taken them, and by the addon at the latest when
 * this environment ends.
 */
class Tickets {
  /** @type {{ number: number }[]} */
  #tickets = [];

  /**
   * A copy of a descriptor; if there is none, all are closed.
   *
   * @param {number} fd
   * @param {string} name of the stream
   * @returns {number} the number by which engines know it
   */
  copy(fd, name) {
    try {
      return this.#keep(addon.handOver(fd, name));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * A pipe that the program reads, or writes.
   *
   * @param {boolean} isInput
   * @returns {{ fd: number, number: number }} this end, to be closed; and the program's
   */
  pipe(isInput) {
    const { fd, ticket } = addon.pipe(isInput);
    return { fd, number: this.#keep(ticket) };
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
