CREATE TABLE `deciding` (
	`one` integer PRIMARY KEY NOT NULL,
	`judges` text NOT NULL,
	`kind` text,
	`subject` text
);
--> statement-breakpoint
CREATE TABLE `judge_costs` (
	`verdict_id` text PRIMARY KEY NOT NULL,
	`judge` text NOT NULL,
	`prompt_tokens` integer NOT NULL,
	`completion_tokens` integer NOT NULL,
	`ms` real NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `judge_costs_when` ON `judge_costs` (`judge`,`created_at`);--> statement-breakpoint
ALTER TABLE `verdicts` ADD `confidence` real;--> statement-breakpoint
CREATE TRIGGER `judge_costs_gone` AFTER DELETE ON `verdicts` BEGIN
	DELETE FROM judge_costs WHERE verdict_id = OLD.id;
END;
--> statement-breakpoint
INSERT INTO `deciding` (`one`, `judges`) SELECT 1, 'earlier' WHERE EXISTS (SELECT 1 FROM `decided`);
