CREATE TABLE `canaries` (
	`id` text PRIMARY KEY NOT NULL,
	`policy` text DEFAULT 'gyre' NOT NULL,
	`version` integer NOT NULL,
	`against` integer NOT NULL,
	`share` real NOT NULL,
	`gate_id` text,
	`candidate` integer NOT NULL,
	`since` integer NOT NULL,
	`read_to` integer NOT NULL,
	`started_at` integer NOT NULL,
	`ended_at` integer,
	`decision_id` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `canaries_open` ON `canaries` (`policy`) WHERE ended_at IS NULL;--> statement-breakpoint
CREATE TABLE `canary_outcomes` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`canary_id` text NOT NULL,
	`conversation` text NOT NULL,
	`trajectory_id` text,
	`arm` text NOT NULL,
	`score` real,
	`source` text,
	`failed` integer NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `canary_outcomes_once` ON `canary_outcomes` (`canary_id`,`conversation`);--> statement-breakpoint
CREATE INDEX `canary_outcomes_trajectory` ON `canary_outcomes` (`trajectory_id`);--> statement-breakpoint
CREATE TABLE `live_comparisons` (
	`policy` text DEFAULT 'gyre' NOT NULL,
	`candidate` integer NOT NULL,
	`serving` integer NOT NULL,
	`step_id` text NOT NULL,
	`trajectory_id` text NOT NULL,
	`conversation` text NOT NULL,
	`judge` text NOT NULL,
	`judge_version` text NOT NULL,
	`outcome` text NOT NULL,
	`words` text NOT NULL,
	`prompt_tokens` integer NOT NULL,
	`completion_tokens` integer NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`policy`, `candidate`, `serving`, `step_id`, `judge`, `judge_version`)
);
--> statement-breakpoint
CREATE INDEX `live_comparisons_trajectory` ON `live_comparisons` (`trajectory_id`);--> statement-breakpoint
CREATE INDEX `live_comparisons_when` ON `live_comparisons` (`judge`,`created_at`);--> statement-breakpoint
CREATE TABLE `live_holdout` (
	`one` integer PRIMARY KEY NOT NULL,
	`salt` text NOT NULL,
	`share` real NOT NULL
);
