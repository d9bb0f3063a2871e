DROP INDEX `batch_items_once`;--> statement-breakpoint
ALTER TABLE `batch_items` ADD `policy` text DEFAULT 'gyre' NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX `batch_items_once` ON `batch_items` (`item_id`,`policy`);--> statement-breakpoint
DROP INDEX `cycle_steps_once`;--> statement-breakpoint
ALTER TABLE `cycle_steps` ADD `policy` text DEFAULT 'gyre' NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX `cycle_steps_once` ON `cycle_steps` (`step_id`,`mode`,`policy`);--> statement-breakpoint
CREATE TABLE `__new_versions` (
	`policy` text DEFAULT 'gyre' NOT NULL,
	`version` integer NOT NULL,
	`kind` text NOT NULL,
	`parent` integer,
	`batch_id` text,
	`copy_of` integer,
	`metrics` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`policy`, `version`)
);
--> statement-breakpoint
INSERT INTO `__new_versions`("policy", "version", "kind", "parent", "batch_id", "copy_of", "metrics", "created_at") SELECT 'gyre', "version", "kind", "parent", "batch_id", "copy_of", "metrics", "created_at" FROM `versions`;--> statement-breakpoint
DROP TABLE `versions`;--> statement-breakpoint
ALTER TABLE `__new_versions` RENAME TO `versions`;--> statement-breakpoint
CREATE TABLE `__new_removed_weights` (
	`policy` text DEFAULT 'gyre' NOT NULL,
	`version` integer NOT NULL,
	`reason` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`policy`, `version`)
);
--> statement-breakpoint
INSERT INTO `__new_removed_weights`("policy", "version", "reason", "created_at") SELECT 'gyre', "version", "reason", "created_at" FROM `removed_weights`;--> statement-breakpoint
DROP TABLE `removed_weights`;--> statement-breakpoint
ALTER TABLE `__new_removed_weights` RENAME TO `removed_weights`;--> statement-breakpoint
ALTER TABLE `batches` ADD `policy` text DEFAULT 'gyre' NOT NULL;--> statement-breakpoint
ALTER TABLE `cycles` ADD `policy` text DEFAULT 'gyre' NOT NULL;--> statement-breakpoint
ALTER TABLE `decisions` ADD `policy` text;--> statement-breakpoint
ALTER TABLE `evaluations` ADD `policy` text DEFAULT 'gyre' NOT NULL;--> statement-breakpoint
ALTER TABLE `samples` ADD `policy` text DEFAULT 'gyre' NOT NULL;--> statement-breakpoint
ALTER TABLE `deletion_versions` ADD `policy` text;