CREATE TABLE `prunings` (
	`id` text PRIMARY KEY NOT NULL,
	`reason` text NOT NULL,
	`first` text NOT NULL,
	`last` text NOT NULL,
	`counts` text NOT NULL,
	`rows_hash` text NOT NULL,
	`rows` blob NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `prunings_last` ON `prunings` (`last`);--> statement-breakpoint
CREATE TABLE `removed_weights` (
	`version` integer PRIMARY KEY NOT NULL,
	`reason` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE `batches` ADD `tree` blob;--> statement-breakpoint
ALTER TABLE `samples` ADD `prompt_of` text;