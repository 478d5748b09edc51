import { parseMarkdown } from './markdown';
import { highlight } from './highlight';
import { streamChat } from './api';
import { chatRequest } from './settings';
import { ConversationStore } from './store';
console.log(parseMarkdown, highlight, streamChat, chatRequest, ConversationStore);
