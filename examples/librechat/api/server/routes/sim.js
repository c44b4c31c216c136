// LibreChat's route file for the adapter: `api/server/routes/sim.js`. Settings come from the environment (SIM_…).

const { simRouter } = require('@sigmacode/sim-adapter');
const { requireJwtAuth } = require('~/server/middleware');

module.exports = [requireJwtAuth, simRouter()];
