CREATE TABLE `batch_items` (
	`batch_id` text NOT NULL,
	`item_id` text NOT NULL,
	`step_id` text NOT NULL,
	`advantage` real NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `batch_items_once` ON `batch_items` (`item_id`);--> statement-breakpoint
CREATE INDEX `batch_items_batch` ON `batch_items` (`batch_id`);--> statement-breakpoint
CREATE INDEX `batch_items_step` ON `batch_items` (`step_id`);--> statement-breakpoint
CREATE TABLE `batches` (
	`id` text PRIMARY KEY NOT NULL,
	`cycle_id` text NOT NULL,
	`state` text NOT NULL,
	`base_version` integer NOT NULL,
	`target_version` integer NOT NULL,
	`body` text NOT NULL,
	`note` text NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `batches_cycle_id_unique` ON `batches` (`cycle_id`);--> statement-breakpoint
CREATE TABLE `cycle_steps` (
	`step_id` text NOT NULL,
	`mode` text NOT NULL,
	`cycle_id` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `cycle_steps_once` ON `cycle_steps` (`step_id`,`mode`);--> statement-breakpoint
CREATE INDEX `cycle_steps_cycle` ON `cycle_steps` (`cycle_id`);--> statement-breakpoint
CREATE TABLE `cycles` (
	`id` text PRIMARY KEY NOT NULL,
	`state` text NOT NULL,
	`stage` text NOT NULL,
	`mode` text NOT NULL,
	`filter` text NOT NULL,
	`base_version` integer NOT NULL,
	`counts` text NOT NULL,
	`note` text NOT NULL,
	`started_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `decisions` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`version` integer NOT NULL,
	`against` integer,
	`passed` integer NOT NULL,
	`reason` text NOT NULL,
	`numbers` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `decisions_version` ON `decisions` (`version`);--> statement-breakpoint
CREATE TABLE `deletions` (
	`id` text PRIMARY KEY NOT NULL,
	`trajectory_id` text NOT NULL,
	`rows` text NOT NULL,
	`batches` text NOT NULL,
	`versions` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `evaluations` (
	`id` text PRIMARY KEY NOT NULL,
	`version` integer NOT NULL,
	`task_set` text NOT NULL,
	`results` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `evaluations_of` ON `evaluations` (`version`,`task_set`);--> statement-breakpoint
CREATE TABLE `feedback` (
	`id` text PRIMARY KEY NOT NULL,
	`response_id` text NOT NULL,
	`trajectory_id` text NOT NULL,
	`key_id` text NOT NULL,
	`step` integer,
	`value` real,
	`comment` text,
	`demonstration` text,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `feedback_response` ON `feedback` (`response_id`);--> statement-breakpoint
CREATE INDEX `feedback_trajectory` ON `feedback` (`trajectory_id`);--> statement-breakpoint
CREATE TABLE `keys` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`role` text NOT NULL,
	`hash` text NOT NULL,
	`train` integer NOT NULL,
	`created_at` integer NOT NULL,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `keys_hash_unique` ON `keys` (`hash`);--> statement-breakpoint
CREATE TABLE `ledger` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at` integer NOT NULL,
	`entries` text NOT NULL,
	`prev` text NOT NULL,
	`hash` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `messages` (
	`id` integer PRIMARY KEY NOT NULL,
	`parent` integer NOT NULL,
	`hash` text NOT NULL,
	`body` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `messages_parent` ON `messages` (`parent`);--> statement-breakpoint
CREATE TABLE `responses` (
	`id` text PRIMARY KEY NOT NULL,
	`trajectory_id` text NOT NULL,
	`key_id` text NOT NULL,
	`outcome` text NOT NULL,
	`stop_reason` text NOT NULL,
	`usage` text NOT NULL,
	`tool_use` text NOT NULL,
	`created_at` integer NOT NULL,
	`ms` integer NOT NULL,
	`content_hash` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `samples` (
	`id` text PRIMARY KEY NOT NULL,
	`cycle_id` text NOT NULL,
	`step_id` text NOT NULL,
	`policy_version` integer NOT NULL,
	`body` text NOT NULL,
	`prompt_token_ids` blob NOT NULL,
	`token_ids` blob NOT NULL,
	`logprobs` blob NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `samples_cycle` ON `samples` (`cycle_id`);--> statement-breakpoint
CREATE INDEX `samples_step` ON `samples` (`step_id`);--> statement-breakpoint
CREATE TABLE `steps` (
	`seq` integer PRIMARY KEY NOT NULL,
	`id` text NOT NULL,
	`trajectory_id` text NOT NULL,
	`idx` integer NOT NULL,
	`response_id` text NOT NULL,
	`request_id` text NOT NULL,
	`key_id` text NOT NULL,
	`policy_version` integer NOT NULL,
	`consent` integer NOT NULL,
	`state_tip` text NOT NULL,
	`action_tip` text,
	`policy_tip` text NOT NULL,
	`client_tip` text NOT NULL,
	`state_at` integer NOT NULL,
	`policy_at` integer NOT NULL,
	`client_at` integer NOT NULL,
	`tool_set` text NOT NULL,
	`tool_choice` text NOT NULL,
	`sampling` text NOT NULL,
	`template_hash` text,
	`prompt_base` text,
	`prompt_shared` integer NOT NULL,
	`prompt_suffix` blob,
	`token_ids` blob,
	`logprobs` blob,
	`reasoning` text,
	`calls` text NOT NULL,
	`finish_reason` text,
	`cut` integer NOT NULL,
	`outcome` text NOT NULL,
	`not_trainable` text,
	`usage` text NOT NULL,
	`timings` text NOT NULL,
	`started_at` integer NOT NULL,
	`content_hash` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `steps_id_unique` ON `steps` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `steps_place` ON `steps` (`trajectory_id`,`idx`);--> statement-breakpoint
CREATE INDEX `steps_client_tip` ON `steps` (`client_tip`,`key_id`);--> statement-breakpoint
CREATE INDEX `steps_policy_at` ON `steps` (`policy_at`) WHERE policy_tip <> client_tip;--> statement-breakpoint
CREATE INDEX `steps_action_tip` ON `steps` (`action_tip`) WHERE action_tip <> policy_tip;--> statement-breakpoint
CREATE INDEX `steps_client_at` ON `steps` (`client_at`) WHERE client_at <> state_at;--> statement-breakpoint
CREATE INDEX `steps_tool_set` ON `steps` (`tool_set`);--> statement-breakpoint
CREATE TABLE `tasks` (
	`id` text PRIMARY KEY NOT NULL,
	`hash` text NOT NULL,
	`split` text NOT NULL,
	`body` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `tasks_hash` ON `tasks` (`hash`);--> statement-breakpoint
CREATE TABLE `tool_sets` (
	`hash` text PRIMARY KEY NOT NULL,
	`body` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `trajectories` (
	`id` text PRIMARY KEY NOT NULL,
	`key_id` text NOT NULL,
	`origin` text NOT NULL,
	`consent` integer NOT NULL,
	`model` text NOT NULL,
	`task_id` text,
	`metadata` text,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `trajectories_key` ON `trajectories` (`key_id`,`id`) WHERE key_id <> '';--> statement-breakpoint
CREATE INDEX `trajectories_task` ON `trajectories` (`task_id`) WHERE task_id IS NOT NULL;--> statement-breakpoint
CREATE TABLE `verdicts` (
	`id` text PRIMARY KEY NOT NULL,
	`subject_kind` text NOT NULL,
	`subject_id` text NOT NULL,
	`judge` text NOT NULL,
	`judge_version` text NOT NULL,
	`score` real,
	`good` integer,
	`rationale` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `verdicts_once` ON `verdicts` (`subject_kind`,`subject_id`,`judge`,`judge_version`);--> statement-breakpoint
CREATE TABLE `versions` (
	`version` integer PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`parent` integer,
	`batch_id` text,
	`copy_of` integer,
	`metrics` text NOT NULL,
	`created_at` integer NOT NULL
);
