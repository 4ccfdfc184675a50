/* Pages of text and tables: the shell and live parts. */
import { live } from './live.js';
import { shell } from './shell.js';

shell();
live();
