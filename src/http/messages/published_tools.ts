/**
 * Tools that a client runs and whose schema Anthropic has published and trained into its models, so that a request
 * names only their type. The policy was told nothing of them, so it is told here.
 */
import type { FunctionSpec } from '../../core/policy.js';

type Properties = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const object = (properties: Properties, required: readonly string[] = []): Record<string, unknown> => ({
  type: 'object',
  properties,
  required,
});
const text = (description: string): Record<string, unknown> => ({ type: 'string', description });
const oneOf = (...values: readonly string[]): Record<string, unknown> => ({ type: 'string', enum: values });
const numbers = (length: number, description: string): Record<string, unknown> => ({
  type: 'array',
  items: { type: 'integer' },
  minItems: length,
  maxItems: length,
  description,
});

const EDITS: Properties = {
  path: text('Absolute path of a file or folder.'),
  file_text: text('For create: what the file is to hold.'),
  old_str: text('For str_replace: the text to replace, which must be in the file exactly once.'),
  new_str: text('For str_replace: the text to put there.'),
  insert_line: { type: 'integer', description: 'For insert: the line after which the text goes; 0 is the beginning.' },
  insert_text: text('For insert: the text.'),
  view_range: numbers(2, 'For view of a file: its first and last line; -1 is the end.'),
};

type Published = (tool: Readonly<Record<string, unknown>>) => Omit<FunctionSpec, 'name'> & { readonly name: string };

const PUBLISHED: readonly (readonly [type: RegExp, spec: Published])[] = [
  [
    /^bash_\d/,
    () => ({
      name: 'bash',
      description: 'Runs a command in a bash shell that stays open between calls.',
      parameters: object({
        command: text('The command. Required unless the shell is started again.'),
        restart: { type: 'boolean', description: 'True: starts the shell again.' },
      }),
    }),
  ],
  [
    /^text_editor_\d/,
    ({ type }) => {
      const old = type === 'text_editor_20241022' || type === 'text_editor_20250124';
      const commands = ['view', 'create', 'str_replace', 'insert', ...(old ? ['undo_edit'] : [])];
      return {
        name: old ? 'str_replace_editor' : 'str_replace_based_edit_tool',
        description: 'Views, creates and edits text files.',
        parameters: object({ command: oneOf(...commands), ...EDITS }, ['command', 'path']),
      };
    },
  ],
  [
    /^memory_\d/,
    () => ({
      name: 'memory',
      description: 'Keeps notes in files below /memories. Look there first for what is known.',
      parameters: object(
        {
          command: oneOf('view', 'create', 'str_replace', 'insert', 'delete', 'rename'),
          ...EDITS,
          path: text('A path below /memories.'),
          old_path: text('For rename: the path.'),
          new_path: text('For rename: the new path.'),
        },
        ['command'],
      ),
    }),
  ],
  [
    /^computer_\d/,
    ({ display_width_px: width, display_height_px: height }) => ({
      name: 'computer',
      description:
        'Uses a computer by screen, mouse and keyboard.' +
        (typeof width === 'number' && typeof height === 'number'
          ? ` The screen is ${width} by ${height} pixels; [0, 0] is its upper left corner.`
          : ''),
      parameters: object(
        {
          action: oneOf(
            'screenshot',
            'cursor_position',
            'mouse_move',
            'left_click',
            'left_click_drag',
            'left_mouse_down',
            'left_mouse_up',
            'right_click',
            'middle_click',
            'double_click',
            'triple_click',
            'scroll',
            'key',
            'hold_key',
            'type',
            'wait',
            'zoom',
          ),
          coordinate: numbers(2, 'Where, as [x, y].'),
          start_coordinate: numbers(2, 'For left_click_drag: where it begins.'),
          text: text('For type: the text. For key and hold_key: the keys, e.g. "ctrl+s".'),
          scroll_direction: oneOf('up', 'down', 'left', 'right'),
          scroll_amount: { type: 'integer' },
          duration: { type: 'number', description: 'For wait and hold_key: seconds.' },
          region: numbers(4, 'For zoom: [left, top, right, bottom].'),
        },
        ['action'],
      ),
    }),
  ],
];

/** Undefined for a type that its maker runs itself. The client's own name for the tool goes first. */
export function publishedTool(tool: {
  readonly type: string;
  readonly name?: string | null | undefined;
}): FunctionSpec | undefined {
  const spec = PUBLISHED.find(([type]) => type.test(tool.type))?.[1](tool);
  return spec === undefined ? undefined : { ...spec, name: tool.name ?? spec.name };
}
