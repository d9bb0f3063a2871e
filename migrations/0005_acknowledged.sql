ALTER TABLE `ledger` ADD `writer` text;--> statement-breakpoint
ALTER TABLE `ledger` ADD `answers` integer;