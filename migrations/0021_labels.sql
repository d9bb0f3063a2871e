CREATE TABLE `demonstrations` (
	`id` text PRIMARY KEY NOT NULL,
	`step_id` text NOT NULL,
	`template_hash` text NOT NULL,
	`token_ids` blob,
	`reason` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `demonstrations_step` ON `demonstrations` (`step_id`);--> statement-breakpoint
CREATE TABLE `labels` (
	`id` text PRIMARY KEY NOT NULL,
	`step_id` text NOT NULL,
	`trajectory_id` text NOT NULL,
	`about` text NOT NULL,
	`good` integer,
	`comment` text,
	`demonstration` text,
	`who` text NOT NULL,
	`withdraws` text,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `labels_step` ON `labels` (`step_id`);--> statement-breakpoint
CREATE INDEX `labels_trajectory` ON `labels` (`trajectory_id`);--> statement-breakpoint
CREATE INDEX `labels_withdraws` ON `labels` (`withdraws`) WHERE withdraws IS NOT NULL;