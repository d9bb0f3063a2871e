CREATE TABLE `calibrations` (
	`id` text PRIMARY KEY NOT NULL,
	`judge` text NOT NULL,
	`judge_version` text NOT NULL,
	`kind` text NOT NULL,
	`gold` text NOT NULL,
	`source` text NOT NULL,
	`numbers` text NOT NULL,
	`bounds` text NOT NULL,
	`shortfalls` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `calibrations_judge` ON `calibrations` (`judge`,`judge_version`);--> statement-breakpoint
CREATE TABLE `judge_drifts` (
	`policy` text DEFAULT 'gyre' NOT NULL,
	`version` integer NOT NULL,
	`judge` text NOT NULL,
	`judge_version` text NOT NULL,
	`measure` text NOT NULL,
	`n` integer NOT NULL,
	`value` real NOT NULL,
	`low` real NOT NULL,
	`high` real NOT NULL,
	`bound` real NOT NULL,
	`alarm` integer NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`policy`, `version`, `judge`, `judge_version`, `measure`)
);
