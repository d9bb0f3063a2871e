CREATE TABLE `deletion_versions` (
	`id` text PRIMARY KEY NOT NULL,
	`deletion_id` text NOT NULL,
	`batch_id` text NOT NULL,
	`version` integer NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `key_pace` (
	`key_id` text NOT NULL,
	`span` integer NOT NULL,
	`answers` integer NOT NULL,
	PRIMARY KEY(`key_id`, `span`)
);
--> statement-breakpoint
ALTER TABLE `cycle_steps` ADD `same_as` text;--> statement-breakpoint
CREATE INDEX `cycle_steps_same` ON `cycle_steps` (`same_as`) WHERE same_as IS NOT NULL;--> statement-breakpoint
ALTER TABLE `deletions` ADD `key_id` text;--> statement-breakpoint
DELETE FROM `cycle_steps` WHERE NOT EXISTS (SELECT 1 FROM `steps` WHERE `steps`.`id` = `cycle_steps`.`step_id`);--> statement-breakpoint
UPDATE `batches` SET `body` = json_set(`body`, '$.tree', json('{"tokens":[],"parent":[]}'), '$.actions', json('[]'), '$.counts', json('{"logical_tokens":0,"distinct_tokens":0,"actions":0}')) WHERE `state` = 'failed' AND json_valid(`body`);
