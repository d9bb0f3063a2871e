/** LangChain of Node by its two packages that speak to us, and its loop written out as its documentation has it. */
import * as asked from './runner.mjs';

const { AIMessage, HumanMessage, mapChatMessagesToStoredMessages, mapStoredMessagesToChatMessages } =
  asked.installed('@langchain/core/messages');
const { tool } = asked.installed('@langchain/core/tools');
const { ChatAnthropic } = asked.installed('@langchain/anthropic');
const { ChatOpenAI } = asked.installed('@langchain/openai');

const settings = { model: asked.model, apiKey: 'any', maxRetries: 0 };
const chat = {
  chat: () => new ChatOpenAI({ ...settings, configuration: { baseURL: asked.baseURL } }),
  responses: () => new ChatOpenAI({ ...settings, configuration: { baseURL: asked.baseURL }, useResponsesApi: true }),
  messages: () => new ChatAnthropic({ ...settings, anthropicApiUrl: asked.url }),
}[asked.api]();
const weather = tool(asked.weather, { name: 'weather', description: 'The weather.', schema: asked.parameters });
const model = chat.bindTools([weather]);

/** @param {unknown[]} history */
async function say(history) {
  if (!asked.streamed) return model.invoke(history);
  let whole;
  for await (const chunk of await model.stream(history)) {
    asked.tell(chunk.text);
    whole = whole === undefined ? chunk : whole.concat(chunk);
  }
  return whole;
}

await asked.run(async () => {
  const history = mapStoredMessagesToChatMessages(asked.history());
  const keep = () => asked.keep(mapChatMessagesToStoredMessages(history));
  if (asked.picture !== undefined) {
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${asked.picture}` } };
    history.push(new HumanMessage({ content: [{ type: 'text', text: 'Look.' }, image] }), new AIMessage('I see.'));
    keep();
    return;
  }
  history.push(new HumanMessage(asked.words));
  let said = await say(history);
  history.push(said);
  while (said.tool_calls.length > 0) {
    for (const call of said.tool_calls) history.push(await weather.invoke(call));
    said = await say(history);
    history.push(said);
  }
  if (!asked.streamed) console.log(said.text);
  keep();
});
