CREATE TABLE `evaluation_answers` (
	`policy` text DEFAULT 'gyre' NOT NULL,
	`version` integer NOT NULL,
	`task_id` text NOT NULL,
	`task_hash` text NOT NULL,
	`judge` text NOT NULL,
	`judge_version` text NOT NULL,
	`score` real NOT NULL,
	`trajectory_id` text NOT NULL,
	`asked_as` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`policy`, `version`, `task_hash`, `judge`, `judge_version`)
);
--> statement-breakpoint
CREATE INDEX `evaluation_answers_trajectory` ON `evaluation_answers` (`trajectory_id`);--> statement-breakpoint
CREATE TABLE `leases` (
	`policy` text DEFAULT 'gyre' NOT NULL,
	`name` text NOT NULL,
	`token` text NOT NULL,
	`pid` integer NOT NULL,
	`start_time` text NOT NULL,
	`what` text NOT NULL,
	`taken_at` integer NOT NULL,
	PRIMARY KEY(`policy`, `name`)
);
--> statement-breakpoint
CREATE TABLE `task_uses` (
	`policy` text DEFAULT 'gyre' NOT NULL,
	`task_id` text NOT NULL,
	`used_at` integer NOT NULL,
	PRIMARY KEY(`policy`, `task_id`)
);
