CREATE TABLE `head_moves` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`policy` text DEFAULT 'gyre' NOT NULL,
	`version` integer NOT NULL,
	`kind` text NOT NULL,
	`from_version` integer,
	`decision_id` text,
	`batch_id` text,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `head_moves_of` ON `head_moves` (`policy`,`seq`);--> statement-breakpoint
INSERT INTO `head_moves` (`policy`, `version`, `kind`, `decision_id`, `batch_id`, `created_at`)
SELECT `policy`, `version`, `kind`, `decision_id`, `batch_id`, `created_at` FROM (
	SELECT `policy`, `version`, 'trained' AS `kind`, NULL AS `decision_id`, `batch_id`, `created_at`, 0 AS `late` FROM `versions` WHERE `kind` = 'trained'
	UNION ALL
	SELECT coalesce(`policy`, 'gyre'), `version`, `kind`, `id`, NULL, `created_at`, 1 FROM `decisions` WHERE `kind` IN ('head_reset', 'rollback')
) ORDER BY `created_at`, `late`, `version`, `decision_id`;
