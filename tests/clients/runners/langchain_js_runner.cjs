/** LangChain of Node, over both APIs. */
const messagesOf = require('@langchain/core/messages');
const { tool } = require('@langchain/core/tools');
const { ChatOpenAI } = require('@langchain/openai');

const asked = require('./runner.cjs');

const schema = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'number' } },
  required: ['city', 'days'],
};
const weather = tool(asked.weather, { name: 'weather', description: 'The weather.', schema });
const model = new ChatOpenAI({
  model: asked.model,
  apiKey: 'any',
  configuration: { baseURL: asked.baseURL },
  maxRetries: 0,
  useResponsesApi: asked.api === 'responses',
}).bindTools([weather]);

asked.run(async () => {
  const history = messagesOf.mapStoredMessagesToChatMessages(asked.history());
  const keep = () => asked.keep(messagesOf.mapChatMessagesToStoredMessages(history));
  if (asked.picture !== undefined) {
    const image = { type: 'image_url', image_url: { url: `data:image/png;base64,${asked.picture}` } };
    history.push(
      new messagesOf.HumanMessage({ content: [{ type: 'text', text: 'Look.' }, image] }),
      new messagesOf.AIMessage('I see.'),
    );
    keep();
    return;
  }
  history.push(new messagesOf.HumanMessage(asked.words));
  if (asked.streamed) {
    for await (const chunk of await model.stream(history)) process.stdout.write(chunk.text);
    return;
  }
  let said = await model.invoke(history);
  history.push(said);
  while (said.tool_calls.length > 0) {
    for (const call of said.tool_calls) history.push(await weather.invoke(call));
    said = await model.invoke(history);
    history.push(said);
  }
  console.log(said.text);
  keep();
});
