CREATE TABLE `key_usage` (
	`key_id` text NOT NULL,
	`month` text NOT NULL,
	`requests` integer NOT NULL,
	`tokens` integer NOT NULL,
	PRIMARY KEY(`key_id`, `month`)
);
--> statement-breakpoint
ALTER TABLE `keys` ADD `tools` text;--> statement-breakpoint
ALTER TABLE `keys` ADD `requests_per_minute` integer;--> statement-breakpoint
ALTER TABLE `keys` ADD `tokens_per_minute` integer;--> statement-breakpoint
ALTER TABLE `keys` ADD `concurrent` integer;--> statement-breakpoint
ALTER TABLE `keys` ADD `monthly_tokens` integer;