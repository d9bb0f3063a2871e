CREATE TABLE `evaluation_reports` (
	`id` text PRIMARY KEY NOT NULL,
	`policy` text DEFAULT 'gyre' NOT NULL,
	`version` integer NOT NULL,
	`task_set` text NOT NULL,
	`setting` text NOT NULL,
	`numbers` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `evaluation_reports_of` ON `evaluation_reports` (`policy`,`version`,`id`);