ALTER TABLE `judge_costs` ADD `money` real;--> statement-breakpoint
ALTER TABLE `live_comparisons` ADD `ms` real DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `live_comparisons` ADD `money` real;