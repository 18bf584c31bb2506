import { setupServer } from "msw/node";

/** The wire of the tests: each test adds the answers it needs, any other request fails it. */
export const server = setupServer();
