/** The list of models: the policy's own and those of upstreams. */
import { afterEach, describe, expect, it } from 'vitest';

import { inTurn } from '../../fakes/engine.js';
import { ASK, both, closeOpened, refused } from '../../fakes/upstreams.js';

afterEach(closeOpened);

describe('the models', () => {
  it('of upstreams are listed by name with their host, slashes and all', async () => {
    const { gateway, upstream } = await both(inTurn({}));
    const list = (await gateway.client.models.list()).data;
    expect(list.map((model) => model.id)).toEqual(['gyre', 'gyre@base', 'gyre@1', 'big', 'vendor/small']);
    expect(list.at(-1)).toEqual({
      id: 'vendor/small',
      object: 'model',
      created: expect.any(Number),
      owned_by: new URL(upstream.url).host,
    });
    expect(await gateway.client.models.retrieve('vendor/small')).toMatchObject({ id: 'vendor/small' });
    expect(await (await fetch(`${gateway.url}/v1/models/vendor/small`)).json()).toMatchObject({ id: 'vendor/small' });
    await expect(gateway.client.models.retrieve('vendor/none')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
      message: expect.stringContaining('vendor/small'),
    });
    for (const name of ['a\nb', 'a\r', '\u2028', '../gyre', '%'])
      await expect(gateway.client.models.retrieve(name)).rejects.toMatchObject({
        status: 404,
        code: 'model_not_found',
      });
    expect(await refused(gateway, { ...ASK, model: 'vendor' })).toMatchObject({
      status: 404,
      code: 'model_not_found',
      message: expect.stringContaining('vendor/small'),
    });
  });
});
