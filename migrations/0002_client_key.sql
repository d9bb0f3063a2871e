ALTER TABLE `steps` ADD `client_key` text;--> statement-breakpoint
CREATE INDEX `steps_client_key` ON `steps` (`client_key`,`key_id`) WHERE client_key IS NOT NULL;