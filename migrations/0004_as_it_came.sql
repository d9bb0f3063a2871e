ALTER TABLE `steps` ADD `native` text;--> statement-breakpoint
ALTER TABLE `steps` ADD `told` text;--> statement-breakpoint
CREATE INDEX `steps_native` ON `steps` (`action_tip`) WHERE native IS NOT NULL;