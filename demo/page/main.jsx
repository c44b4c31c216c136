// The page's beginning: React, and the looks of the kit and of the page.

import '@sigmacode/sim-adapter/client/style.css';
import './style.css';

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { App } from './app.jsx';

createRoot(document.getElementById('page')).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
