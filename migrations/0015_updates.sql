CREATE TABLE `groups` (
	`policy` text NOT NULL,
	`cycle_id` text NOT NULL,
	`step_id` text NOT NULL,
	`policy_version` integer NOT NULL,
	`outcome` text NOT NULL,
	`reason` text NOT NULL,
	`drawn` integer NOT NULL,
	`redacted` integer NOT NULL,
	`rewarded` integer,
	`mean` real,
	`spread` real,
	`batch_id` text,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`cycle_id`, `step_id`)
);
--> statement-breakpoint
CREATE INDEX `groups_step` ON `groups` (`step_id`);--> statement-breakpoint
CREATE INDEX `groups_batch` ON `groups` (`batch_id`) WHERE batch_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `groups_carried` ON `groups` (`created_at`) WHERE outcome = 'informative' AND batch_id IS NULL;--> statement-breakpoint
ALTER TABLE `steps` ADD `calls_allowed` integer;--> statement-breakpoint
INSERT INTO `groups` (`policy`, `cycle_id`, `step_id`, `policy_version`, `outcome`, `reason`, `drawn`, `redacted`, `created_at`) SELECT `policy`, `cycle_id`, `step_id`, min(`policy_version`), 'drawn', '', count(*), 0, min(`created_at`) FROM `samples` WHERE `cycle_id` IN (SELECT `id` FROM `cycles` WHERE `state` = 'running') GROUP BY `policy`, `cycle_id`, `step_id`;
